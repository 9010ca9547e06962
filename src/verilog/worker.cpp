// A learning circuit in Verilog as a program: registers are read and written through its standard
// input and output, as src/chip/rtl.h has it. Verilator makes the circuit, with the module of
// worker.v on top; this is the rest of the program.

#include "Vmgd_rtl.h"
#include "verilated.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <vector>

double sc_time_stamp() { // of Verilator before 5
    return 0;
}

namespace {

enum Kind : uint16_t { WRITE, READ, RESET, WAIT };
enum Status : uint32_t { DONE, BUSY, FINISHED, UNKNOWN };

struct Order {
    uint16_t kind, address;
    uint32_t value;
};

struct Head {
    uint32_t status, count;
};

const char GREETING[] = "mgd-rtl1"; // eight bytes; another protocol has another number
const int RESET_CLOCKS = 4;
const double AWAKE = 1e-4; // seconds

double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Looks for the next message for some time before this process sleeps, and lets others run: to be
// woken takes as long as a step does.
void look_for_message() {
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    for (double end = now() + AWAKE; poll(&input, 1, 0) == 0 && now() < end;)
        sched_yield();
}

bool read_all(int file, void *to, size_t count) {
    for (char *at = static_cast<char *>(to); count > 0;) {
        ssize_t n = read(file, at, count);
        if (n <= 0)
            return false;
        at += n;
        count -= static_cast<size_t>(n);
    }
    return true;
}

bool write_all(int file, const void *from, size_t count) {
    for (const char *at = static_cast<const char *>(from); count > 0;) {
        ssize_t n = write(file, at, count);
        if (n <= 0)
            return false;
        at += n;
        count -= static_cast<size_t>(n);
    }
    return true;
}

class Circuit {
  public:
    explicit Circuit(VerilatedContext *context) : context(context), top(context) { top.eval(); }
    ~Circuit() { top.final(); }

    Status obey(const Order &order, std::vector<uint32_t> &answer) {
        top.addr = order.address;
        switch (order.kind) {
        case WRITE:
            top.wdata = order.value;
            top.write = 1;
            clock();
            top.write = 0;
            return DONE;
        case READ: // so many registers
            for (uint32_t i = 0; i < order.value; i++)
                answer.push_back(look(static_cast<uint16_t>(order.address + i)));
            return DONE;
        case RESET:
            top.rst = 1;
            for (int i = 0; i < RESET_CLOCKS; i++)
                clock();
            top.rst = 0;
            return DONE;
        case WAIT: // until the register is 0, so many clocks at most
            for (uint32_t i = 0; look(order.address) != 0; i++) {
                if (i == order.value)
                    return BUSY;
                clock();
            }
            return DONE;
        }
        return UNKNOWN;
    }

  private:
    VerilatedContext *context;
    Vmgd_rtl top;

    uint32_t look(uint16_t address) {
        top.addr = address;
        top.eval();
        return top.rdata;
    }

    void clock() {
        top.eval();
        for (int level = 1; level >= 0; level--) {
            context->timeInc(1);
            top.clk = static_cast<uint8_t>(level);
            top.eval();
        }
    }
};

// One message: how many orders, and those. Its answer: a head, and the words that were read.
bool serve(Circuit &circuit, VerilatedContext &context, int out, std::vector<Order> &orders,
           std::vector<uint32_t> &answer) {
    uint32_t count;
    look_for_message();
    if (!read_all(STDIN_FILENO, &count, sizeof count))
        return false;
    orders.resize(count);
    if (!read_all(STDIN_FILENO, orders.data(), count * sizeof(Order)))
        return false;
    Head head = {DONE, 0};
    answer.assign(sizeof head / sizeof(uint32_t), 0);
    for (size_t i = 0; i < count && head.status == DONE; i++) {
        head.status = circuit.obey(orders[i], answer);
        if (context.gotFinish())
            head.status = FINISHED;
    }
    head.count = static_cast<uint32_t>(answer.size() - sizeof head / sizeof(uint32_t));
    std::memcpy(answer.data(), &head, sizeof head);
    return write_all(out, answer.data(), answer.size() * sizeof(uint32_t)) &&
           head.status != FINISHED;
}

} // namespace

// What the circuit prints goes to standard error.
int main(int argc, char **argv) {
    int out = dup(STDOUT_FILENO);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return 1;
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    const std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    context->commandArgs(argc, argv);
    Circuit circuit(context.get());
    std::vector<Order> orders;
    std::vector<uint32_t> answer;
    if (!write_all(out, GREETING, sizeof GREETING - 1))
        return 1;
    while (serve(circuit, *context, out, orders, answer))
        continue;
    return 0;
}
