//! The rows of bench-peers on Tokio: peer ROW N. The servers are in serve.rs.
//! Prints nanoseconds of one of N operations, a line for each batch after the first.

mod serve;

use std::future::Future;
use std::hint::black_box;
use std::io::Write;
use std::process::exit;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, Mutex};
use tokio::time::sleep;

const BATCHES: usize = 6;
const SPAWNED: usize = 1000;
const SLEEP: Duration = Duration::from_secs(2);

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn measure<F: Future<Output = ()>>(operations: usize, batch: impl Fn() -> F) {
    for i in 0..BATCHES {
        let begin = Instant::now();
        batch().await;
        if i > 0 {
            println!("{:.3}", begin.elapsed().as_nanos() as f64 / operations as f64);
        }
    }
}

// ---- what costs nanoseconds

async fn yield_often(n: usize) {
    for _ in 0..n {
        tokio::task::yield_now().await;
    }
}

async fn yield_in_turns(n: usize) {
    let other = tokio::spawn(yield_often(n / 2));
    let this = tokio::spawn(yield_often(n / 2));
    this.await.unwrap();
    other.await.unwrap();
}

#[inline(never)]
fn nothing() {
    black_box(())
}

async fn spawn_nothings(n: usize) {
    let mut tasks = Vec::with_capacity(SPAWNED);
    for _ in 0..n / SPAWNED {
        tasks.extend((0..SPAWNED).map(|_| tokio::spawn(async { nothing() })));
        for task in tasks.drain(..) {
            task.await.unwrap();
        }
    }
}

#[inline(never)]
fn add(a: usize, b: usize) -> usize {
    black_box(a) + b
}

async fn add_later(a: usize, b: usize) -> usize {
    add(a, b)
}

async fn await_adds(n: usize) {
    let mut sum = 0;
    for i in 0..n {
        sum += add_later(i, 1).await;
    }
    black_box(sum);
}

async fn answer(mut questions: mpsc::Receiver<usize>, answers: mpsc::Sender<usize>) {
    while let Some(question) = questions.recv().await {
        answers.send(question).await.unwrap();
    }
}

async fn ask(n: usize, questions: &mpsc::Sender<usize>, answers: &mut mpsc::Receiver<usize>) {
    for i in 0..n {
        questions.send(i).await.unwrap();
        assert_eq!(answers.recv().await, Some(i));
    }
}

async fn channel(n: usize) {
    let (questions, questions_end) = mpsc::channel(1);
    let (answers_end, mut answers) = mpsc::channel(1);
    tokio::spawn(answer(questions_end, answers_end));
    tokio::spawn(async move { ask(n, &questions, &mut answers).await }).await.unwrap();
}

/// A runtime on each of two threads.
fn channel_2(n: usize) {
    let (questions, questions_end) = mpsc::channel(1);
    let (answers_end, mut answers) = mpsc::channel(1);
    let other = thread::spawn(|| one_thread().block_on(answer(questions_end, answers_end)));
    one_thread().block_on(async move {
        for i in 0..BATCHES {
            let begin = Instant::now();
            ask(n, &questions, &mut answers).await;
            if i > 0 {
                println!("{:.3}", begin.elapsed().as_nanos() as f64 / n as f64);
            }
        }
    });
    other.join().unwrap();
}

async fn lock_often(n: usize) {
    let mutex = Mutex::new(0usize);
    for _ in 0..n {
        *mutex.lock().await += 1;
    }
    assert_eq!(*mutex.lock().await, n);
}

// ---- what sleeps

async fn sleep_memory(n: usize) {
    let tasks: Vec<_> = (0..n).map(|_| tokio::spawn(sleep(Duration::from_secs(3600)))).collect();
    sleep(Duration::from_millis(1)).await;
    println!("asleep");
    std::io::stdout().flush().unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    std::future::pending().await
}

async fn sleep_time(n: usize) {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..n).map(|_| tokio::spawn(sleep(SLEEP))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("{}", (begin.elapsed() - SLEEP).as_nanos());
}

async fn sleep_twice() {
    tokio::join!(sleep(Duration::from_millis(10)), sleep(Duration::from_millis(8)));
}

async fn sleep_pairs(n: usize) {
    let tasks: Vec<_> = (0..n).map(|_| tokio::spawn(sleep_twice())).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args[2].parse().unwrap();
    match args[1].as_str() {
        "yield" => one_thread().block_on(measure(n, || yield_in_turns(n))),
        "spawn" => one_thread().block_on(measure(n, || spawn_nothings(n))),
        "spawn_2" => {
            let runtime = two_threads();
            let task = runtime.spawn(measure(n, move || spawn_nothings(n)));
            runtime.block_on(task).unwrap()
        }
        "await" => one_thread().block_on(measure(n, || await_adds(n))),
        "channel" => one_thread().block_on(measure(n, || channel(n))),
        "channel_2" => channel_2(n),
        "mutex" => one_thread().block_on(measure(n, || lock_often(n))),
        "sleep_memory" => one_thread().block_on(sleep_memory(n)),
        "sleep_time" => one_thread().block_on(sleep_time(n)),
        "sleep_pairs" => one_thread().block_on(measure(1, || sleep_pairs(n))),
        "echo" => one_thread().block_on(serve::echo(n as u16)),
        "http" => one_thread().block_on(serve::http(n as u16)),
        _ => exit(77),
    }
}
