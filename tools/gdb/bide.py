"""gdb commands for programs that use bide, live ones and core files:

    info bide     the tasks of all runtimes, as a tree, each with a number
    bide bt N     where task N stands; more arguments are those of backtrace, such as `full`

Load it with `source bide.py`. Nothing in the process is run or changed. It needs the debugging
information of libbide.
"""
import re
import time

import gdb
import gdb.unwinder

# Constants of include/bide/future.h and src/core/internal.h.
COLD, DONE = 0, 2  # BIDE_...
HEAP, QUEUED, MALLOC = 4, 8, 32  # BIDE__...
FIRST_DONE, FIRST_ERROR, SCOPE = 1, 2, 4  # POLICY_...
DEEPEST = 10**7  # of a list or chain that may be damaged, or just changing


# ---- reading ----------------------------------------------------------------------------------

types = {}  # by name; forgotten for each tree, since symbols may change


def struct(name):
    """A type, or None."""
    if name not in types:
        try:
            types[name] = gdb.lookup_type("struct " + name)
        except gdb.error:
            types[name] = None
    return types[name]


def pointer_to(name):
    return struct(name).pointer()


def container(link, name, *members):
    """The struct that a list's link is a member of, as a pointer."""
    offset, kind = 0, struct(name)
    for member in members:
        field = kind[member]
        offset += field.bitpos // 8
        kind = field.type
    return gdb.Value(int(link) - offset).cast(pointer_to(name))


def items(head, name, *members):
    """Those in a list, whose head is a struct bide__list."""
    first, at = int(head.address), head["next"]
    for _ in range(DEEPEST):
        if int(at) == first or int(at) == 0:
            return
        yield container(at, name, *members)
        at = at["next"]


def string(value):
    if value.type.code == gdb.TYPE_CODE_PTR and not int(value):
        return ""
    try:
        return value.string(errors="replace")
    except gdb.MemoryError:
        return "?"


class Selection:
    """The thread and frame that are selected, for afterwards."""

    def __enter__(self):
        self.thread, self.level = gdb.selected_thread(), 0
        try:
            self.level = gdb.selected_frame().level()
        except (gdb.error, AttributeError):
            pass

    def __exit__(self, *_):
        self.thread.switch()
        frame = gdb.newest_frame()
        for _ in range(self.level):
            frame = frame.older()
        frame.select()


def all_workers():
    """Of all runtimes: those in the list of src/core/inspect.c."""
    for symbol in gdb.lookup_static_symbols("workers"):
        if symbol.symtab.filename.endswith("core/inspect.c"):
            yield from items(symbol.value(), "bide__worker", "inspected", "link")


class Threads:
    """The workers, and what each of them runs. A thread is None where that can't be found out."""

    def __init__(self):
        self.by_self, self.by_fiber = {}, {}
        if gdb.selected_thread() is None:
            raise gdb.GdbError("No process and no core file.")
        with Selection():
            for thread in gdb.selected_inferior().threads():
                thread.switch()
                try:
                    self.by_self[int(gdb.parse_and_eval("&bide__self"))] = thread
                except gdb.error:
                    pass
        self.workers = sorted(all_workers(), key=lambda w: (int(w["pool"]), int(w["index"])))
        for worker in self.workers:
            here = worker["inspected"]["self"]
            if int(here["fiber"]):
                self.by_fiber[int(here["fiber"])] = (self.of(worker), here["current"])

    def of(self, worker):
        return self.by_self.get(int(worker["inspected"]["self"]))


# ---- what a future is, in words ---------------------------------------------------------------

def future_struct(future):
    """The whole struct fn_future around a struct bide_future, or None."""
    kind = struct(string(future["type"]["name"]) + "_future")
    if kind is None or kind.sizeof != int(future["type"]["size"]):
        return None  # that is, or another function of that name
    return future.cast(kind.pointer()).dereference()


def brief(value):
    text = value.format_string(max_depth=0, max_elements=32, symbols=True)
    return text if len(text) <= 48 else text[:45] + "..."


def arguments(whole):
    if whole is None or not any(field.name == "args" for field in whole.type.fields()):
        return ""
    args = whole["args"]
    fields = args.type.fields()
    if str(whole.type).startswith("struct bide_"):
        fields = fields[:1]  # the others are notes
    return "(%s)" % ", ".join(brief(args[field]) for field in fields)


def span(ns):
    for unit, name in ((10**9, "s"), (10**6, "ms"), (10**3, "us")):
        if abs(ns) >= unit:
            return "%.4g %s" % (ns / unit, name)
    return "%d ns" % ns


def is_live():
    connection = getattr(gdb.selected_inferior(), "connection", None)
    return connection is not None and connection.type == "native"


def describe_sleep(whole):
    deadline = int(whole["timer"]["deadline"])
    if is_live():
        return "sleep, %s left" % span(deadline - time.clock_gettime_ns(time.CLOCK_MONOTONIC))
    fields = [field.name for field in whole["args"].type.fields()]
    return "sleep of " + span(int(whole["args"]["span"])) if "span" in fields else "sleep"


def describe_io(name, io):
    name = name.replace("bide_", "", 1)
    if name in ("open", "statx", "unlink", "rename"):
        return "%s of %s" % (name, string(io["buf"].cast(gdb.lookup_type("char").pointer())))
    return "%s on fd %d" % (name, int(io["fd"]))


def holder_of(args):
    """Who has what a leaf with these arguments waits for; 0: nobody, or that is not known."""
    for field in args.type.fields():
        if field.type.code != gdb.TYPE_CODE_PTR:
            continue
        target = field.type.target().strip_typedefs()
        if target.code != gdb.TYPE_CODE_STRUCT:
            continue
        for member in target.fields():
            if member.name in ("owner", "writer", "runner"):
                return int(args[field][member])
    return 0


def describe_leaf(future):
    """In words, and who holds it."""
    name, whole = string(future["type"]["name"]), future_struct(future)
    if whole is None:
        return name, 0
    try:
        if whole["args"].type.name == "bide_io":
            return describe_io(name, whole["args"]), 0
        if name in ("bide_sleep", "bide_sleep_until"):
            return describe_sleep(whole), 0
        return name.replace("bide_", "", 1) + arguments(whole), holder_of(whole["args"])
    except gdb.error:
        return name, 0


def group_name(group):
    policy = int(group["policy"])
    if policy & SCOPE:
        return "scope"
    if policy & FIRST_DONE:
        return "race"
    return "try_join" if policy & FIRST_ERROR else "join"


# ---- the tree ---------------------------------------------------------------------------------

class Node:
    """A task (it gets a number), or a worker or group, which is a line of text."""

    def __init__(self, text="", future=None, fiber=None):
        self.text, self.future, self.fiber = text, future, fiber
        self.name = self.state = self.site = ""
        self.holder, self.number, self.children = 0, 0, []

    def add(self, child):
        self.children.append(child)
        return child


class Tree:
    def __init__(self):
        self.threads = Threads()
        self.tasks, self.holders, self.roots = [], {}, []
        self.fibers_to_walk = []
        pools = sorted({int(worker["pool"]) for worker in self.threads.workers})
        for worker in self.threads.workers:
            runtime = "runtime %d, " % pools.index(int(worker["pool"])) if len(pools) > 1 else ""
            self.roots.append(self.worker(worker, runtime))
        # Fibers of children are walked one after the other: a tree may be deep.
        while self.fibers_to_walk:
            node, fiber = self.fibers_to_walk.pop()
            self.holders[int(fiber)] = node
            self.fiber(node, fiber)
        for node, _ in self.walk():
            if node.future is not None:
                self.tasks.append(node)
                node.number = len(self.tasks)

    def walk(self):
        """(node, depth), each before its children."""
        stack = [(root, 0) for root in reversed(self.roots)]
        while stack:
            node, depth = stack.pop()
            yield node, depth
            stack.extend((child, depth + 1) for child in reversed(node.children))

    def worker(self, worker, runtime):
        thread = self.threads.of(worker)
        node = Node("%sworker %d%s, %s%s" % (
            runtime, int(worker["index"]), ", thread %d" % thread.num if thread else "",
            string(worker["stats"]["reactor"]),
            ", asleep in it" if int(worker["asleep"]) else ""))
        self.fiber(node, worker["root"].address)
        if node.children:  # which has the locks of all that runs on a thread's own stack
            self.holders[int(worker["inspected"]["self"])] = node.children[0]
        return node

    def chain(self, fiber):
        """The futures on a fiber's stack, the outermost first."""
        _, current = self.threads.by_fiber.get(int(fiber), (None, fiber["current"]))
        chain = []
        while int(current) and len(chain) < DEEPEST:
            chain.append(current)
            if int(current) == int(fiber["task"]):
                break
            current = current["parent"]
        return chain[::-1]

    def fiber(self, node, fiber):
        """Adds the groups that are open on a fiber's stack, and their children, to its node."""
        innermost = node
        try:
            chain = self.chain(fiber)
            on_stack = {int(future) for future in chain}
            for group in items(fiber["groups"], "bide__group", "open"):
                innermost = self.group(innermost, group, on_stack)
            if innermost.future is not None:
                self.state(innermost, fiber, chain)
        except gdb.MemoryError as error:
            innermost.add(Node("(%s)" % error))

    def group(self, node, group, on_stack):
        """Returns the node of the child that runs on the stack where the group is, or node."""
        innermost = node
        if int(group["frame"]):
            node = node.add(Node("%s at %s, %d left" % (
                group_name(group), string(group["site"]), int(group["pending"]))))
        for children in ("children", "parallel"):
            for future in items(group[children], "bide_future", "sibling"):
                child = node.add(self.child(future, group))
                if int(future) in on_stack:
                    innermost = child
                elif child.fiber is not None:
                    self.fibers_to_walk.append((child, child.fiber))
        return innermost

    def child(self, future, group):
        node = Node(future=future)
        node.name = string(future["type"]["name"])
        flags, state = int(future["flags"]), int(future["state"])
        if flags & (HEAP | MALLOC):
            node.site = string(container(future, "bide__spawned", "future")["site"])
        if state == DONE:
            node.state = "over"
        elif state == COLD or flags & QUEUED:
            node.state = "queued"
        elif int(future["type"]["leaf"]):
            node.state, node.holder = describe_leaf(future)
        else:
            node.name += arguments(future_struct(future))
            try:
                self.stack(node, future["fiber"], group)
            except gdb.MemoryError as error:
                node.state = "its stack is lost: %s" % error
        return node

    def stack(self, node, fiber, group):
        """node's task runs on this one."""
        future = int(node.future)
        task = int(fiber["task"]) or (0 if int(group["frame"]) else future)
        name = string(fiber["name"]) if task == future else ""
        if name:
            node.name = '"%s" %s' % (name, node.name)
        if int(fiber["worker"]) != int(group["fiber"]["worker"]):
            node.name += " on worker %d" % int(fiber["worker"]["index"])
        node.fiber = fiber

    def state(self, node, fiber, chain):
        """Of the innermost task on a fiber's stack."""
        names = []
        for future in reversed(chain):
            if int(future) == int(node.future):
                break
            names.append(string(future["type"]["name"]))
        inside = "in %s, " % " > ".join(reversed(names)) if names else ""
        if not int(fiber["parked"]):
            runs = int(fiber) in self.threads.by_fiber
            node.state = inside + ("runs" if runs else "is ready")
        elif int(fiber["leaf"]):
            text, node.holder = describe_leaf(fiber["leaf"])
            node.state = inside + text
        else:
            waiting = [group_name(group) for group in items(fiber["groups"], "bide__group", "open")
                       if int(group["waiting"])]
            node.state = inside + "waits for " + (
                "its " + waiting[-1] if waiting else "a future that was started")

    def line(self, node):
        if node.future is None:
            return node.text
        text = "#%d %s" % (node.number, node.name)
        if node.state:
            text += ": " + node.state
        if node.holder in self.holders:
            text += ", held by #%d" % self.holders[node.holder].number
        elif node.holder in self.threads.by_self:
            text += ", held by thread %d" % self.threads.by_self[node.holder].num
        if node.site:
            text += " (spawned at %s)" % node.site
        return text


def make_tree():
    types.clear()
    if struct("bide__worker") is None:
        raise gdb.GdbError("There is no debugging information of libbide: is it linked, and built "
                           "with -g?")
    return Tree()


class InfoBide(gdb.Command):
    """Tasks of all bide runtimes, as a tree.
Each has a number, for `bide bt`."""

    def __init__(self):
        super().__init__("info bide", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        tree = make_tree()
        if not tree.roots:
            print("There is no runtime.")
        for node, depth in tree.walk():
            print("  " * depth + tree.line(node))


# ---- backtraces -------------------------------------------------------------------------------

REGISTERS = {"i386:x86-64": ("rip", "rsp", "rbp"), "aarch64": ("pc", "sp", "x29")}


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Elsewhere(gdb.unwinder.Unwinder):
    """While it has a context, the caller of a thread's newest frame is where that context is."""

    def __init__(self):
        super().__init__("bide")
        self.context = self.newest = None

    def __call__(self, pending):
        registers = REGISTERS.get(pending.architecture().name())
        if self.context is None or registers is None:
            return None
        pc, sp, fp = registers
        if (int(pending.read_register(pc)), int(pending.read_register(sp))) != self.newest:
            return None
        context = self.context
        # Its identity lies below the other stack, or gdb takes that one for damaged.
        info = pending.create_unwind_info(FrameId(context["sp"] - 16, pending.read_register(pc)))
        info.add_saved_register(pc, context["pc"])
        info.add_saved_register(sp, context["sp"])
        info.add_saved_register(fp, context["fp"])
        return info


ELSEWHERE = Elsewhere()


def backtrace_at(context, arguments):
    """What `backtrace` prints there, without the thread's own frame, from which it sets out."""
    newest = frame = gdb.newest_frame()
    architecture = frame.architecture().name()
    if architecture not in REGISTERS:
        raise gdb.GdbError("Not on this processor: " + architecture)
    own = 1
    while frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
        own += 1
    words = arguments.split()
    if words and words[-1].isdigit():
        words[-1] = str(int(words[-1]) + own)
    pc, sp, _ = REGISTERS[architecture]
    ELSEWHERE.newest = int(newest.read_register(pc)), int(newest.read_register(sp))
    ELSEWHERE.context = context
    gdb.invalidate_cached_frames()
    try:
        text = gdb.execute("backtrace " + " ".join(words), to_string=True)
    finally:
        ELSEWHERE.context = None
        gdb.invalidate_cached_frames()
    kept = []
    for frame in re.split(r"^(?=#\d)", text, flags=re.MULTILINE):
        level = re.match(r"#(\d+) +", frame)
        if level and int(level[1]) >= own:
            kept.append("#%-3d" % (int(level[1]) - own) + frame[level.end():])
    return "".join(kept)


class Bide(gdb.Command):
    """Tasks of bide: `info bide`, `bide bt N`."""

    def __init__(self):
        super().__init__("bide", gdb.COMMAND_STACK, prefix=True)


class BideBt(gdb.Command):
    """Where a task stands: bide bt N [ARGUMENTS]
N is its number in `info bide`; ARGUMENTS are those of `backtrace`."""

    def __init__(self):
        super().__init__("bide bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        number, _, arguments = argument.strip().partition(" ")
        if not number.isdigit():
            raise gdb.GdbError("Which task? `info bide` has their numbers.")
        tree = make_tree()
        if not 1 <= int(number) <= len(tree.tasks):
            raise gdb.GdbError("There is no task %s: `info bide` has their numbers." % number)
        node = tree.tasks[int(number) - 1]
        print(tree.line(node))
        if node.fiber is None:
            print("It has no stack: it has not begun, or is one operation.")
            return
        running = int(node.fiber) in tree.threads.by_fiber
        thread, _ = tree.threads.by_fiber.get(int(node.fiber), (None, None))
        if running and thread is None:
            raise gdb.GdbError("It is on a thread's own stack, and gdb can't tell which.")
        with Selection():
            if thread:
                thread.switch()
                print(gdb.execute("backtrace " + arguments, to_string=True), end="")
            else:
                print(backtrace_at(node.fiber["context"], arguments), end="")


gdb.unwinder.register_unwinder(None, ELSEWHERE, replace=True)
InfoBide()
Bide()
BideBt()
