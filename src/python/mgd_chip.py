"""Makes a Python program a chip that mgd-lua trains; docs/guide/chip-contract.md has the protocol.

    from mgd_chip import serve
    serve(parameters=2, inputs=1, outputs=1, evaluate=lambda theta, x: x * theta[0] + theta[1])

Behind mgd.chip{instrument = "EXEC::python3 my_chip.py"} it speaks on standard input and output, and
what the program prints goes to standard error. Arrays are NumPy's where that is there, else array.array
and lists of them; they are the chip's own: do not write to them.
"""
import io, os, select, signal, socket, sys, traceback  # noqa: E401
from array import array
try:
    import numpy as np
except ImportError:
    np = None

TIMES = {b"+": 1, b"0+": 2, b"+-": 2, b"0": 1}  # a step measures, by its signs
ROWS = 1 << 22  # samples of one RUN at most
STOPS = signal.SIGTERM, signal.SIGHUP, signal.SIGINT
wires = 0, 1
if not os.isatty(0):  # kept for the protocol, before anything else is imported, which may print
    wires = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout.flush()  # what was printed before goes the same way


class Refused(Exception):
    """Becomes an answer: ERR, a code and a text."""


class Gone(BaseException):
    """The other side has."""


def refusal(code, text):
    return b"ERR %d %b" % (code, " ".join(text.split()).encode(errors="replace"))


def guarded(call, *arguments):
    """Calls what the user wrote. Where that fails the request does, and the program lives on."""
    try:
        return call(*arguments)
    except Exception as error:
        traceback.print_exc()
        file, line, name, _ = traceback.extract_tb(error.__traceback__)[-1]
        raise Refused(4, "%s: %s (%s:%d, in %s)" % (
            type(error).__name__, error, os.path.basename(file), line, name))


def flat(values, kind):
    """The numbers of rows, or of rows of them, as one array."""
    if np:
        return np.asarray(values, kind).reshape(-1)
    while any(hasattr(value, "__len__") for value in values):
        values = [v for value in values for v in (value if hasattr(value, "__len__") else [value])]
    return array(kind, values)


def stack(rows):
    return np.concatenate(rows).reshape(len(rows), len(rows[0])) if np else list(rows)


def encode(numbers, as_block):
    if as_block:
        size = b"%d" % (len(numbers) * numbers.itemsize)
        return b"OK #%d%b%b" % (len(size), size, numbers.tobytes())
    digits = "%.17g" if numbers.itemsize == 8 else "%.9g"
    return b"OK " + (",".join([digits] * len(numbers)) % tuple(numbers.tolist()) or "-").encode()


class Input(io.FileIO):
    """What comes from a descriptor; before it waits for more it calls idle()."""

    def readinto(self, room):
        try:
            self.idle()
            count = super().readinto(room)
        except OSError:
            count = 0
        if not count:
            raise Gone
        return count


class Chip:
    """Keeps θ and the samples, and answers requests."""

    def __init__(self, *, parameters, inputs, outputs=0, targets=None, evaluate=None,
                 evaluate_many=None, evaluate_sample=None, cost=None, train=None, theta=None,
                 read=None, write=None, safe=None, identity=None, dtype="f64", message=1 << 26,
                 stateless=0, writes=0, ranges=None, resolution=None, unit=None, latency=None):
        if not (evaluate or evaluate_many or evaluate_sample if outputs else cost or train):
            raise ValueError("serve: outputs need evaluate; without them cost or train is needed")
        self.parameters, self.inputs, self.outputs, self.message = parameters, inputs, outputs, message
        self.targets = outputs if targets is None else targets
        self.evaluate = evaluate or (lambda theta, x: [evaluate_sample(theta, row) for row in x])
        self.many, self.cost, self.train = evaluate_many, cost, train
        self.reads, self.writes, self.switch_off = read, write, safe
        self.kind = {"f64": "d", "f32": "f"}[dtype]
        self.theta = flat([0] * parameters if theta is None else theta, self.kind)
        self.samples = []  # (x, y)
        self.named = self.x = None  # what the last RUN named, and their x
        self.answers, self.silence = [], 0  # not yet sent (tuples: measured); s for the watchdog
        keys = dict(
            parameters=parameters, inputs=inputs, outputs=outputs, targets=self.targets, dtype=dtype,
            blocks=1, order=sys.byteorder, samples=1 << 31, message=message, costs=int(bool(cost)),
            cost="own", integrates=int(bool(train)), writes=int(bool(train or writes)), watchdog=1,
            stateless=int(stateless), ranges=ranges, resolution=resolution, unit=unit, latency=latency)
        description = " ".join("%s=%s" % (
            key, ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value)
            for key, value in keys.items() if value is not None)
        identity = identity or "mgd-lua,%s,0,1" % os.path.basename(sys.argv[0])
        # Each is called with the words of the request: bytes, and bytearrays of its blocks.
        self.requests = {
            b"ID": lambda: b"OK " + identity.encode(), b"*IDN?": lambda: b"OK " + identity.encode(),
            b"DESC": lambda: b"OK " + description.encode(), b"DATA": self.take_samples,
            b"WRITE": self.access_theta, b"RUN": self.run, b"SAFE": self.safe}

    def numbers(self, word):
        if type(word) is bytearray:
            return np.frombuffer(word, self.kind) if np else array(self.kind, word)
        return flat([] if word == b"-" else list(map(float, word.split(b","))), self.kind)

    def take_samples(self, first, x, y):
        first, x, y, I, K = int(first), self.numbers(x), self.numbers(y), self.inputs, self.targets
        n = len(x) // I
        if len(x) != n * I or len(y) not in (0, n * K) or not 0 <= first <= len(self.samples):
            raise ValueError("expected samples of %d and %d from %d on" % (I, K, len(self.samples)))
        self.samples[first:first + n] = [
            (x[i * I:(i + 1) * I], y[i * K:(i + 1) * K]) for i in range(n)]
        self.named = None
        return b"OK"

    def access_theta(self, theta=None, step=None, replica=None):
        if theta is None:
            return encode(guarded(lambda: flat(self.reads(), self.kind)) if self.reads else self.theta, 0)
        theta = self.numbers(theta)
        if len(theta) != self.parameters:
            raise ValueError("%d parameters, expected %d" % (len(theta), self.parameters))
        if self.writes:
            guarded(self.writes, theta)
        self.theta = theta
        return b"OK"

    def safe(self, ms=None):
        if ms is not None:
            self.silence = min(max(0, int(ms)), 10**9) / 1000
        elif self.switch_off:
            theta = guarded(self.switch_off)
            self.theta = self.theta if theta is None else flat(theta, self.kind)
        return b"OK"

    def run(self, code, seed, replica, slot, n, amplitude, samples, signs=b"+", step=None):
        named, as_block = (samples, int(n), signs), type(samples) is bytearray
        if self.train and code == b"train":
            request = dict(seed=int(seed), replica=int(replica), slot=int(slot),
                           step=int(step or slot), amplitude=float(amplitude))
            return encode(guarded(self.teach, self.batches(*named), request), as_block)
        if self.cost and code == b"none":
            return encode(guarded(self.costs, self.batches(*named)), as_block)
        if not self.outputs or code not in (b"none", b"outputs"):
            raise ValueError("no code '%s' here" % code.decode(errors="replace"))
        if self.named != named:
            self.settle()
            self.x = stack([self.samples[i][0] for b in self.batches(*named) for i in b])
            self.named = named
        if self.many:
            return self.theta, as_block
        return encode(guarded(self.measure, [self.theta])[0], as_block)

    def batches(self, samples, n, signs):
        """Numbers of samples, for each measurement."""
        if type(samples) is bytearray:
            numbers = array("I", samples)
            size = len(numbers) // n or 1
            parts = [numbers[i:i + size] for i in range(0, len(numbers), size)]
        else:
            parts = [array("I", map(int, part.split(b","))) for part in samples.split(b"/")]
        times = TIMES[bytes(signs)]
        if len(parts) not in (1, n) or not 0 < n * times * len(parts[0]) <= ROWS:
            raise ValueError("%d batches for %d steps" % (len(parts), n))
        if max(map(max, parts)) >= len(self.samples):
            raise Refused(3, "there are %d samples" % len(self.samples))
        return [part for part in parts * (n // len(parts)) for _ in range(times)]

    def batch(self, numbers):
        """x and y."""
        return [stack(rows) for rows in zip(*[self.samples[i] for i in numbers])]

    def teach(self, batches, request):
        theta, *values = self.train(self.theta, list(map(self.batch, batches)), **request)
        self.theta = flat(theta, self.kind)
        return flat(values, "d")

    def costs(self, batches):
        return flat([self.cost(self.theta, *self.batch(batch)) for batch in batches], "d")

    def measure(self, thetas):
        """The outputs at each θ."""
        x, size = self.x, len(self.x) * self.outputs
        ys = self.many(stack(thetas), x) if self.many else [self.evaluate(thetas[0], x)]
        values = flat(ys, self.kind)
        if list(map(len, ys)) != [len(x)] * len(thetas) or len(values) != len(thetas) * size:
            raise ValueError("expected y with %d rows of %d" % (len(x), self.outputs))
        return [values[i * size:(i + 1) * size] for i in range(len(thetas))]

    def settle(self):
        """Measures what was put off, all at once."""
        places = self.many and [i for i, answer in enumerate(self.answers) if type(answer) is tuple]
        if places:
            thetas, as_blocks = zip(*[self.answers[i] for i in places])
            try:
                made = list(map(encode, guarded(self.measure, thetas), as_blocks))
            except Refused as error:
                made = [refusal(*error.args)] * len(places)
            for i, answer in zip(places, made):
                self.answers[i] = answer

    # ---- the line ----------------------------------------------------------------------------------

    def talk(self, source, sink):
        """Answers requests until the other side has gone, then goes to the safe state."""
        self.source, self.sink, self.silence, raw = source, sink, 0, Input(source, closefd=False)
        self.input, raw.idle = io.BufferedReader(raw, 1 << 18), self.idle
        try:
            while True:
                self.answers.append(self.answer(self.words))
        except Gone:
            pass
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # not half the way
            self.answers.clear()
            self.answer(lambda: [b"SAFE"])
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def idle(self):
        """All that is due is done, and the answers leave together."""
        self.settle()
        rest = b"".join([answer + b"\n" for answer in self.answers])
        self.answers.clear()
        while rest:
            rest = rest[os.write(self.sink, rest):]
        if self.silence and not select.select([self.source], [], [], self.silence)[0]:
            self.answer(lambda: [b"SAFE"])

    def answer(self, words):
        try:
            name, *words = words() or [b""]
            if name not in (b"WRITE", b"RUN"):
                self.settle()
            if name not in self.requests:
                raise Refused(1, "no such request")
            return self.requests[name](*words)
        except Refused as error:
            return refusal(*error.args)
        except Exception as error:  # TypeError: too few or too many words
            return refusal(2, "%s: %s" % (type(error).__name__, error))

    def words(self):
        """Of the next request; blocks are bytearrays."""
        words, line = [], self.input.readline(self.message)
        while b"#" in line:
            text, _, line = line.partition(b"#")
            digits = line[1:1 + int(line[:1])]
            if not digits.isdigit():
                raise ValueError("a block is malformed")
            size, line = int(digits), line[1 + len(digits):]
            if size > self.message:
                self.drop(size - len(line))
            block, there, line = bytearray(size), line[:size], line[size:]
            block[:len(there)] = there
            if len(there) < size:
                self.input.readinto(memoryview(block)[len(there):])
                line = self.input.readline(self.message)
            words += *text.split(), block
        if not line.endswith(b"\n"):
            self.drop(0)
        return words + line.split()

    def drop(self, left):
        """Leaves out so many bytes and the rest of their line."""
        while left > 0:
            left -= len(self.input.read(min(left, 1 << 16)))
        while not self.input.readline(1 << 16).endswith(b"\n"):
            pass
        raise Refused(5, "a message has at most %d bytes" % self.message)


def serve(*, listen=None, **options):
    """Serves until the input ends or a signal does, and leaves the chip in its safe state.

    parameters, inputs, outputs  P, I and O (0 with a cost); targets, K, is O unless it is given
    evaluate(theta, x)         y (B, O) for θ (P) and a batch x (B, I); or one of
    evaluate_sample(theta, x)  y (O) for one sample
    evaluate_many(thetas, x)   y (M, B, O) for M points that came together
    cost(theta, x, y)          the cost of a batch: the chip compares with its targets y (B, K) itself
    train(theta, batches, *, seed, replica, slot, step, amplitude)  the chip trains itself by (x, y) of
                               each step: returns θ, the last cost and C̃, and samples evaluated
    theta; read(); write(theta)  present θ; reads it; is told each new one
    safe()                     switches off what can be: on request, after the watchdog's silence, and
                               when the other side has gone; may return θ as it is then
    listen                     "127.0.0.1:5025": a socket (port 0: any), one client after the other
    identity, dtype, ranges …  what ID and DESC tell: ranges=["0:5:log", "0:1:linear"], unit="V"
    """
    chip = Chip(**options)
    for number in STOPS:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    if not listen:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's, which says SAFE
        return chip.talk(*wires)
    host, _, port = listen.rpartition(":")
    with socket.create_server((host or "127.0.0.1", int(port))) as server:
        print("listening at %s:%d" % server.getsockname()[:2], file=sys.stderr, flush=True)
        while True:
            with server.accept()[0] as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                chip.talk(client.fileno(), client.fileno())
