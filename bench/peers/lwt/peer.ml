(* The rows of bench-peers on OCaml's Lwt: peer ROW N. Prints nanoseconds of one of N operations, a
   line for each batch after the first. *)

open Lwt.Infix

let batches = 6
let spawned = 1000
let nap_time = 2.
let not_offered = 77

let measure operations batch =
  let rec run i =
    if i = batches then Lwt.return_unit
    else
      let start = Unix.gettimeofday () in
      batch () >>= fun () ->
      if i > 0 then
        Printf.printf "%.3f\n" ((Unix.gettimeofday () -. start) *. 1e9 /. float operations);
      run (i + 1)
  in
  run 0

(* ---- what costs nanoseconds *)

let rec yield_often n =
  if n = 0 then Lwt.return_unit else Lwt.pause () >>= fun () -> yield_often (n - 1)

let yield_in_turns n = Lwt.join [yield_often (n / 2); yield_often (n / 2)]

let[@inline never] nothing () = Sys.opaque_identity ()

(* A function called plainly would run before its caller goes on; a task begins later. *)
let spawn_one _ = Lwt.pause () >|= nothing

let rec spawn_nothings n =
  if n = 0 then Lwt.return_unit
  else Lwt.join (List.init spawned spawn_one) >>= fun () -> spawn_nothings (n - spawned)

let[@inline never] add a b = Lwt.return (Sys.opaque_identity (a + b))

let await_adds n =
  let rec go i sum =
    if i = n then Lwt.return (ignore (Sys.opaque_identity sum))
    else add i 1 >>= fun value -> go (i + 1) (sum + value)
  in
  go 0 0

let rec answer questions answers =
  Lwt_mvar.take questions >>= fun question ->
  Lwt_mvar.put answers question >>= fun () ->
  if question < 0 then Lwt.return_unit else answer questions answers

let rec ask n questions answers =
  Lwt_mvar.put questions n >>= fun () ->
  Lwt_mvar.take answers >>= fun value ->
  assert (value = n);
  if n < 0 then Lwt.return_unit else ask (n - 1) questions answers

let channel n =
  let questions = Lwt_mvar.create_empty () and answers = Lwt_mvar.create_empty () in
  Lwt.join [answer questions answers; ask (n - 2) questions answers]

let lock_often n =
  let mutex = Lwt_mutex.create () in
  let rec go i =
    if i = n then Lwt.return_unit
    else
      Lwt_mutex.lock mutex >>= fun () ->
      Lwt_mutex.unlock mutex;
      go (i + 1)
  in
  go 0

(* ---- what sleeps *)

let sleep_memory n =
  let naps = List.init n (fun _ -> Lwt_unix.sleep 3600.) in
  Lwt_unix.sleep 0.001 >>= fun () ->
  Gc.compact ();
  print_endline "asleep";
  Lwt_unix.sleep 3600. >>= fun () -> Lwt.join naps

let sleep_time n =
  let start = Unix.gettimeofday () in
  Lwt.join (List.init n (fun _ -> Lwt_unix.sleep nap_time)) >|= fun () ->
  Printf.printf "%.0f\n" ((Unix.gettimeofday () -. start -. nap_time) *. 1e9)

let sleep_twice _ = Lwt.join [Lwt_unix.sleep 0.010; Lwt_unix.sleep 0.008]
let sleep_pairs n = Lwt.join (List.init n sleep_twice)

(* ---- echo *)

let echo_connection fd =
  let buffer = Bytes.create 512 in
  let rec write_all offset left =
    Lwt_unix.write fd buffer offset left >>= fun sent ->
    if sent = left then Lwt.return_unit else write_all (offset + sent) (left - sent)
  in
  let rec serve () =
    Lwt_unix.read fd buffer 0 512 >>= fun got ->
    if got = 0 then Lwt_unix.close fd else write_all 0 got >>= serve
  in
  Lwt.catch serve (fun _ -> Lwt_unix.close fd)

let echo port =
  let listener = Lwt_unix.socket ~cloexec:true PF_INET SOCK_STREAM 0 in
  Lwt_unix.setsockopt listener SO_REUSEADDR true;
  Lwt_unix.bind listener (ADDR_INET (Unix.inet_addr_loopback, port)) >>= fun () ->
  Lwt_unix.listen listener 4096;
  let rec accept () =
    Lwt_unix.accept ~cloexec:true listener >>= fun (fd, _) ->
    Lwt_unix.setsockopt fd TCP_NODELAY true;
    Lwt.async (fun () -> echo_connection fd);
    accept ()
  in
  accept ()

let () =
  let n = int_of_string Sys.argv.(2) in
  Lwt_main.run
    (match Sys.argv.(1) with
    | "yield" -> measure n (fun () -> yield_in_turns n)
    | "spawn" -> measure n (fun () -> spawn_nothings n)
    | "await" -> measure n (fun () -> await_adds n)
    | "channel" -> measure n (fun () -> channel n)
    | "mutex" -> measure n (fun () -> lock_often n)
    | "sleep_memory" -> sleep_memory n
    | "sleep_time" -> sleep_time n
    | "sleep_pairs" -> measure 1 (fun () -> sleep_pairs n)
    | "echo" -> echo n
    | _ -> exit not_offered)
