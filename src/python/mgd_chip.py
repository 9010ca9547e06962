"""Makes a Python program a chip that mgd-lua trains; docs/guide/chip-contract.md has the protocol.

    from mgd_chip import serve
    serve(parameters=2, inputs=1, outputs=1, evaluate=lambda theta, x: x * theta[0] + theta[1])

Behind mgd.chip{instrument = "EXEC::python3 my_chip.py"} it speaks on standard input and output, and
what the program prints goes to standard error. Letters: P parameters, B samples of a batch, I inputs,
O outputs, K numbers of a target. Arrays are NumPy's where that is there, else array.array and lists
of them; they are the chip's own: do not write to them.
"""
import fcntl, os, re, select, signal, socket, stat, sys, traceback, types  # noqa: E401
from array import array
try:
    import numpy as np
except ImportError:
    np = None

# Words up to the end of the line, or up to a block and its size.
PART = re.compile(rb"([^\n#]*)(?:\n|#(?:%b))" %
                  b"|".join(rb"%d(\d{%d})" % (n, n) for n in range(1, 10)))
MEASUREMENTS = {b"+": 1, b"0+": 2, b"+-": 2, b"0": 1}  # of a step, by its signs
MOST_STEPS = 1000000  # of one RUN
STOPS = signal.SIGTERM, signal.SIGHUP, signal.SIGINT
wires = []  # what were standard input and output


def claim():
    """Keeps standard input and output for the protocol."""
    if not wires:
        wires.extend((os.dup(0), os.dup(1)))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        sys.stdout.flush()  # what was printed before goes the same way
        try:
            fcntl.fcntl(wires[0], fcntl.F_SETPIPE_SZ, 1 << 20)
        except (AttributeError, OSError):
            pass  # no pipe, or not Linux: more reads of less


if all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in (os.fstat(0)[0], os.fstat(1)[0])):
    claim()  # behind EXEC: now, since modules that are imported later may print


class Refused(Exception):
    """Becomes the answer ERR code text."""


def guarded(call, *arguments):
    """Calls what the user wrote. Where that fails the request does, and the program lives on."""
    try:
        return call(*arguments)
    except Exception as error:
        traceback.print_exc()
        file, line, name, _ = traceback.extract_tb(error.__traceback__)[-1]
        place = "%s:%s, in %s" % (os.path.basename(file), line, name)
        raise Refused(4, "%s: %s (%s)" % (type(error).__name__, error, place)) from None


class Chip:
    """Keeps θ and the samples, and answers requests. Its options are those of serve."""

    def __init__(self, *, parameters, inputs, outputs=0, targets=None, evaluate=None,
                 evaluate_many=None, evaluate_sample=None, cost=None, train=None, theta=None,
                 read=None, write=None, writes=False, safe=None, ranges=None, resolution=None,
                 unit=None, identity=None, dtype="f64", stateless=False, message=1 << 26):
        if not (evaluate or evaluate_many or evaluate_sample if outputs else cost or train):
            raise ValueError("serve: outputs need evaluate; without them cost or train is needed")
        self.kind, self.digits = {"f64": ("d", "%.17g"), "f32": ("f", "%.9g")}[dtype]
        self.parameters, self.outputs, self.message = parameters, outputs, message
        self.many, self.cost, self.train = evaluate_many, cost, train
        self.read, self.write, self.safe = read, write, safe
        self.evaluate = evaluate or (
            (lambda theta, x: [evaluate_sample(theta, row) for row in x]) if evaluate_sample else
            (lambda theta, x: evaluate_many(np.stack([theta]) if np else [theta], x)[0]))
        self.theta = self.array([0] * parameters if theta is None else theta)
        self.widths = inputs, outputs if targets is None else targets
        self.kept = [], []  # rows of x and of y
        self.named = None, None  # the samples and steps of the last RUN, and their batches
        self.silence = None  # seconds until the watchdog acts
        self.left = False  # whether it has gone to the safe state
        self.answers, self.later = [], []  # not yet sent; evaluations that are put off
        self.buffer = bytearray(1 << 18)
        self.at = self.end = 0  # where in the buffer there is input
        program = os.path.basename(sys.argv[0]).replace(",", " ")
        self.identity = identity or "mgd-lua,%s,0,1" % program
        several = [ranges] if ranges and not hasattr(ranges[0], "__len__") else ranges or []
        smallest = resolution if hasattr(resolution, "__len__") else [resolution or 0]
        fields = dict(
            parameters=parameters, inputs=inputs, outputs=outputs, targets=self.widths[1],
            dtype=dtype, blocks=1, order=sys.byteorder, samples=1 << 31, message=message,
            costs=int(bool(cost)), cost=cost and "own", integrates=int(bool(train)),
            writes=int(bool(train or writes)), stateless=int(stateless), watchdog=1, unit=unit,
            ranges=",".join("%r:%r:%s" % (*r, "linear")[:3] for r in several) or None,
            resolution=resolution and self.text(smallest))
        self.description = " ".join("%s=%s" % f for f in fields.items() if f[1] is not None)

    # ---- numbers -------------------------------------------------------------------------------

    def array(self, numbers):
        return np.asarray(numbers, self.kind) if np else array(self.kind, numbers)

    def decode(self, word):
        if type(word) is bytearray:  # a block
            return np.frombuffer(word, self.kind) if np else array(self.kind, word)
        return self.array([] if word == b"-" else list(map(float, word.split(b","))))

    def text(self, numbers):
        return ",".join([self.digits] * len(numbers)) % tuple(numbers) or "-"

    def encode(self, numbers, as_block):
        if not as_block:
            return self.text(numbers.tolist()).encode()
        size = b"%d" % (len(numbers) * numbers.itemsize)
        return b"#%d%b%b" % (len(size), size, numbers.tobytes())

    def batch(self, numbers):
        """x and y of these samples."""
        if not numbers or min(numbers) < 0 or max(numbers) >= len(self.kept[0]):
            raise Refused(3, "RUN: expected numbers of samples below %d" % len(self.kept[0]))
        lists = [[kept[i] for i in numbers] for kept in self.kept]
        return [np.concatenate(rows).reshape(len(rows), -1) for rows in lists] if np else lists

    def batches(self, word, steps):
        """x and y for each step."""
        if self.named[0] != (word, steps):
            if type(word) is bytearray:
                numbers = array("I", word).tolist()
                size, rest = divmod(len(numbers), steps)
                lists = [numbers[i * size:(i + 1) * size] for i in range(0 if rest else steps)]
            else:
                lists = [list(map(int, part.split(b","))) for part in word.split(b"/")]
            if len(lists) not in (1, steps):
                raise Refused(2, "RUN: the samples are not %d batches" % steps)
            made = [self.batch(numbers) for numbers in lists]
            self.named = (word, steps), made if len(made) == steps else made * steps
        return self.named[1]

    def outputs_of(self, y, x):
        """What evaluate returned for x, as an array (B·O)."""
        if np:
            y = np.asarray(y, self.kind)
            fits = y.shape == (len(x), self.outputs) or y.shape == (len(x),) and self.outputs == 1
            y = y.reshape(-1)
        else:
            rows = [row if hasattr(row, "__len__") else [row] for row in y]
            fits = len(rows) == len(x) and all(len(row) == self.outputs for row in rows)
            y = self.array([value for row in rows for value in row])
        if not fits:
            raise ValueError("expected y with %d rows of %d" % (len(x), self.outputs))
        return y

    # ---- requests ------------------------------------------------------------------------------

    def identify(self, words):
        return self.identity.encode()

    def describe(self, words):
        return self.description.encode()

    def put(self, words):
        first, x, count = int(words[1]), self.decode(words[2]), len(self.kept[0])
        rows, rest = divmod(len(x), self.widths[0])
        numbers = rows * self.widths[1]
        y = self.array([float("nan")] * numbers) if words[3] == b"-" else self.decode(words[3])
        if rest or len(y) != numbers:
            raise Refused(2, "DATA: expected samples of %d numbers and targets of %d" % self.widths)
        if not 0 <= first <= count:
            raise Refused(3, "DATA: %d samples are here: %d is not the next" % (count, first))
        for kept, new, width in zip(self.kept, (x, y), self.widths):
            kept[first:first + rows] = [new[i * width:(i + 1) * width] for i in range(rows)]
        self.named = None, None

    def access(self, words):
        if len(words) == 1:
            theta = guarded(lambda: self.array(self.read())) if self.read else self.theta
            return self.encode(theta, False)
        theta = self.decode(words[1])
        if len(theta) != self.parameters:
            raise Refused(2, "WRITE: %d parameters, expected %d" % (len(theta), self.parameters))
        if self.write:
            guarded(self.write, theta)
        self.theta = theta

    def run(self, words):
        code, samples, signs = words[1], words[7], words[8] if len(words) > 8 else b"+"
        if not b"".join(words[2:6] + words[9:]).isdigit():  # all of them at once: time counts here
            raise Refused(2, "RUN: expected whole numbers for seed, replica, slot, n and step")
        steps, amplitude, as_block = int(words[5]), float(words[6]), type(samples) is bytearray
        if signs not in MEASUREMENTS or not 1 <= steps <= MOST_STEPS:
            raise Refused(3, "RUN: expected 1 to %d steps and signs +, 0+, +- or 0" % MOST_STEPS)
        batches = self.batches(samples, steps)
        if code == b"train" and self.train:
            seed, replica, slot = map(int, words[2:5])
            request = types.SimpleNamespace(seed=seed, replica=replica, slot=slot, amplitude=amplitude,
                                            step=int(words[9]) if len(words) > 9 else slot)
            self.theta, values = guarded(self.lesson, steps, batches, request)
            return self.encode(values, as_block)
        points = batches if MEASUREMENTS[signs] == 1 else [batch for batch in batches for _ in "12"]
        if code == b"none" and self.cost:
            return self.encode(guarded(self.costs, points), as_block)
        if code not in (b"none", b"outputs") or not self.outputs:
            raise Refused(2, "RUN: no code '%s' here" % code.decode("utf-8", "replace"))
        if self.many and len(points) == 1:  # others may come with it
            if self.later and self.later[0][1] is not points[0][0]:
                self.catch_up()
            self.later.append((len(self.answers), points[0][0], self.theta, as_block))
            return None
        return self.encode(guarded(self.measure, points), as_block)

    def lesson(self, steps, batches, request):
        theta, *values = self.train(self.theta, steps, *zip(*batches), request)
        return self.array(theta), self.array(values)

    def costs(self, points):
        return self.array([self.cost(self.theta, x, y) for x, y in points])

    def measure(self, points):
        parts = [self.outputs_of(self.evaluate(self.theta, x), x) for x, _ in points]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if np else self.array([v for part in parts for v in part])

    def catch_up(self):
        """Makes the evaluations that were put off, all at once."""
        later, self.later = self.later, []
        x, thetas = later[0][1], [theta for _, _, theta, _ in later]
        try:
            y = guarded(lambda: [self.outputs_of(y, x) for y in self.many(
                np.stack(thetas) if np else thetas, x)])
            if len(y) != len(later):
                raise Refused(4, "evaluate_many: %d outputs for %d points" % (len(y), len(later)))
            answers = [b"OK " + self.encode(one, put[3]) for one, put in zip(y, later)]
        except Refused as refused:
            answers = [self.error(*refused.args)] * len(later)
        for answer, (place, *_) in zip(answers, later):
            self.answers[place] = answer

    def safely(self, words):
        if len(words) > 1:
            self.silence = max(0, int(words[1])) / 1000 or None
        elif self.safe:
            theta = guarded(self.safe)
            self.theta = self.theta if theta is None else self.array(theta)

    # And how many words they have.
    REQUESTS = {b"ID": (identify, 1, 1), b"*IDN?": (identify, 1, 1), b"DESC": (describe, 1, 1),
                b"DATA": (put, 4, 4), b"WRITE": (access, 1, 4), b"RUN": (run, 8, 10),
                b"SAFE": (safely, 1, 2)}

    # ---- the line ------------------------------------------------------------------------------

    def talk(self, source, sink):
        """Answers requests until the other side has gone, then goes to the safe state."""
        self.source, self.sink, self.at, self.end = source, sink, 0, 0
        try:
            while True:
                self.answers.append(self.answer())
                self.left = False
        except EOFError:
            self.send()
        except OSError:
            pass
        finally:
            self.answers, self.later, self.silence = [], [], None
            self.leave()

    def answer(self):
        try:
            words = self.words()
            act, least, most = self.REQUESTS.get(words[0] if words else b"", (None, 0, 0))
            if not act:
                raise Refused(1, "no such request")
            if not least <= len(words) <= most:
                raise Refused(2, "%s: %d words" % (words[0].decode(), len(words)))
            if self.later and words[0] not in (b"WRITE", b"RUN"):
                self.catch_up()
            result = act(self, words)
            return b"OK " + result if result else b"OK"
        except Refused as refused:
            return self.error(*refused.args)
        except (ValueError, OverflowError, MemoryError) as error:
            return self.error(2, str(error))

    def error(self, code, text):
        return b"ERR %d %b" % (code, " ".join(text.split()).encode("utf-8", "replace"))

    def leave(self):
        """To the safe state, once, when nobody is there who could be told that it failed."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            if not self.left:
                self.left = True
                self.safely([b"SAFE"])
        except Refused:
            pass  # its traceback was printed
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def send(self):
        if self.later:
            self.catch_up()
        left = b"".join([answer + b"\n" for answer in self.answers])
        while left:
            left = left[os.write(self.sink, left):]
        self.answers.clear()

    def fill(self):
        """Reads more; before it waits all that is due is done, and the answers leave together.
        Afterwards what there is of a request that has begun starts the buffer."""
        if not self.later or not select.select([self.source], [], [], 0)[0]:
            if self.answers:
                self.send()
            if self.silence and not select.select([self.source], [], [], self.silence)[0]:
                self.leave()
        kept = self.end - self.at
        if kept:
            self.buffer[:kept] = self.buffer[self.at:self.end]
        if kept == len(self.buffer):
            self.buffer.extend(bytes(kept))
        count = os.readv(self.source, [memoryview(self.buffer)[kept:]])
        if not count:
            raise EOFError
        self.at, self.end = 0, kept + count

    def words(self):
        """Of the next request; blocks are bytearrays."""
        words, place = [], 0  # how many of its bytes are taken
        while True:
            part = PART.match(self.buffer, self.at + place, self.end) or self.await_part(place)
            words += part[1].split()
            if part.lastindex == 1:
                self.at = part.end()
                return words
            place = part.end() - self.at
            last = place + int(part[part.lastindex])
            if last > self.message:
                self.drop(last)
            while self.end - self.at < last:
                self.fill()
            words.append(self.buffer[self.at + place:self.at + last])
            place = last

    def await_part(self, place):
        """The same once the end of the line is here."""
        seen = place
        while (end := self.buffer.find(b"\n", self.at + seen, self.end)) < 0:
            seen = self.end - self.at
            self.drop(0) if seen > self.message else self.fill()
        part = PART.match(self.buffer, self.at + place, self.end)
        if not part:
            self.at = end + 1
            raise Refused(2, "a block is malformed")
        return part

    def drop(self, count):
        """Leaves out so many bytes of input and the rest of that line."""
        while count > self.end - self.at:
            count -= self.end - self.at
            self.at = self.end
            self.fill()
        self.at += count
        while (end := self.buffer.find(b"\n", self.at, self.end)) < 0:
            self.at = self.end
            self.fill()
        self.at = end + 1
        raise Refused(5, "a message has at most %d bytes" % self.message)


def serve(*, listen=None, **options):
    """Serves until the input ends, or a signal ends it, and leaves the chip in its safe state.

    parameters, inputs, outputs  P, I, and O, which may be 0 with a cost; `targets` K is O without
    evaluate(theta, x)        y (B, O) for θ (P) and x (B, I); or
    evaluate_sample(theta, x) y (O) for one sample x (I); and, or in place of these,
    evaluate_many(thetas, x)  y (M, B, O) for M points that have come together
    cost(theta, x, y)         the cost of a batch with targets y (B, K): the chip knows its own
    train(theta, steps, x, y, request)  the chip trains itself: x and y have a batch for each step,
                              request has seed, replica, slot, step, amplitude; returns θ, the last
                              cost, the last C̃, and how many evaluations of one sample it made
    theta; read(); write(theta)  present θ (zeros); reads it; is told each new one
    writes                    True: the device makes of what is written what read() tells
    safe()                    switches off what can be: on request, after the silence that a
                              watchdog waits for, when the other side has gone, on a signal;
                              may return the θ that holds afterwards
    ranges, resolution, unit  (low, high) or (low, high, "log"), or a list of P; step or steps; "V"
    identity, dtype           "maker,model,serial,version"; "f64" or "f32"
    stateless, message        True: an answer depends on nothing but what was sent; bytes of the
                              longest message
    listen                    "127.0.0.1:5025": a socket (port 0: any free one), client by client
    """
    chip = Chip(**options)

    def stop(number, _):
        raise SystemExit(128 + number)
    for number in STOPS if listen else STOPS[:2]:
        signal.signal(number, stop)
    try:
        if listen is None:
            claim()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's, which says SAFE
            return chip.talk(*wires)
        host, _, port = listen.rpartition(":")
        with socket.create_server((host, int(port))) as server:
            print("listening at %s:%d" % server.getsockname()[:2], file=sys.stderr, flush=True)
            while True:
                with server.accept()[0] as client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    chip.talk(client.fileno(), client.fileno())
    finally:
        chip.leave()
