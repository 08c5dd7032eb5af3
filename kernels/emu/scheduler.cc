// Runs grids: fibers, barriers, and what is wrong with a kernel that does not meet at them.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "kernels/emu/emu.h"
#include "kernels/emu/scheduler.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SGA_EMU_ASAN 1
#else
#define SGA_EMU_ASAN 0
#endif

// Saves the registers a call preserves, changes the stack, restores. System V x86-64.
extern "C" void sga_emu_switch(void** save, void* load);
asm(R"(.text
.globl sga_emu_switch
.type sga_emu_switch,@function
sga_emu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size sga_emu_switch,.-sga_emu_switch
.section .note.GNU-stack,"",@progbits
.text
)");

namespace emu {
namespace {

constexpr size_t kStack = SGA_EMU_ASAN ? 256 << 10 : 64 << 10;
enum State { kReady, kAtBlock, kAtWarp, kDone };

struct Fiber {
  State state = kReady;
  uint3 index{};
  int stack = -1;  // in `stacks`; -1 before the first run and after the end
  void* sp = nullptr;
  unsigned mask = 0;  // of the warp barrier it waits at
  Where where = Where::current();
  unsigned met = 0;           // lanes of the last rendezvous
  int phase = 0, posted = 0;  // mailbox for the next post, and of the last rendezvous
  alignas(16) char mail[2][16];
  void* fake_stack = nullptr;  // AddressSanitizer's
};

std::vector<Fiber> fibers;
std::vector<char*> stacks;  // kept for the life of the process
std::vector<int> idle;
Fiber* self = nullptr;
void* scheduler_sp = nullptr;
const std::function<void()>* body = nullptr;
std::exception_ptr error;
std::vector<char> smem;
uint64_t blocks_run = 0;
std::string chosen_order;
void* main_fake_stack = nullptr;
const void* main_stack = nullptr;
size_t main_stack_size = 0;

void start_switch([[maybe_unused]] void** fake, [[maybe_unused]] const void* stack,
                  [[maybe_unused]] size_t bytes) {
#if SGA_EMU_ASAN
  __sanitizer_start_switch_fiber(fake, stack, bytes);
#endif
}
void finish_switch([[maybe_unused]] void* fake, [[maybe_unused]] const void** stack,
                   [[maybe_unused]] size_t* bytes) {
#if SGA_EMU_ASAN
  __sanitizer_finish_switch_fiber(fake, stack, bytes);
#endif
}

// From a fiber to the scheduler.
void suspend() {
  start_switch(self->state == kDone ? nullptr : &self->fake_stack, main_stack, main_stack_size);
  sga_emu_switch(&self->sp, scheduler_sp);
  finish_switch(self->fake_stack, nullptr, nullptr);
}

void entry() {
  finish_switch(nullptr, &main_stack, &main_stack_size);
  try {
    (*body)();
  } catch (...) {
    error = std::current_exception();
  }
  self->state = kDone;
  suspend();
  std::abort();  // a fiber that has ended is not resumed
}

void give_stack(Fiber& f) {
  if (idle.empty()) {
    void* p = mmap(nullptr, kStack + 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw Error("emu: out of stacks");
    mprotect(p, 4096, PROT_NONE);  // an overflow traps
    stacks.push_back(static_cast<char*>(p) + 4096);
    idle.push_back(int(stacks.size()) - 1);
  }
  f.stack = idle.back();
  idle.pop_back();
  char* base = stacks[size_t(f.stack)];
#if SGA_EMU_ASAN
  ASAN_UNPOISON_MEMORY_REGION(base, kStack);  // entry() never returns: its red zones would stay
#endif
  auto* top = reinterpret_cast<void**>(base + kStack);
  *--top = nullptr;  // the stack pointer is 8 mod 16 at entry, as after a call
  *--top = reinterpret_cast<void*>(&entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  f.sp = top;
}

// From the scheduler to a fiber, until it waits or ends.
void resume(Fiber& f) {
  if (f.stack < 0) give_stack(f);
  self = &f;
  threadIdx = f.index;
  f.state = kReady;
  start_switch(&main_fake_stack, stacks[size_t(f.stack)], kStack);
  sga_emu_switch(&scheduler_sp, f.sp);
  finish_switch(main_fake_stack, nullptr, nullptr);
  if (f.state == kDone) idle.push_back(std::exchange(f.stack, -1));
  if (error) std::rethrow_exception(std::exchange(error, nullptr));
}

std::string site(const Where& w) { return std::string(w.file_name()) + ":" + std::to_string(w.line()); }
std::string name_of(const Fiber& f) {
  return "thread (" + std::to_string(f.index.x) + "," + std::to_string(f.index.y) + "," +
         std::to_string(f.index.z) + ")";
}
bool same_place(const Where& a, const Where& b) { return a.line() == b.line() && a.column() == b.column(); }

// Frees the warp barriers at which everyone of the mask has arrived or left for good (the rule since sm_70).
bool release_warps() {
  bool freed = false;
  for (size_t base = 0; base < fibers.size(); base += 32) {
    const int lanes = int(std::min<size_t>(32, fibers.size() - base));
    for (int l = 0; l < lanes; ++l) {
      Fiber& f = fibers[base + size_t(l)];
      if (f.state != kAtWarp) continue;
      unsigned met = 0;
      bool complete = true;
      for (int k = 0; k < lanes && complete; ++k) {
        const Fiber& other = fibers[base + size_t(k)];
        if (!(f.mask >> k & 1) || other.state == kDone) continue;
        complete = other.state == kAtWarp && other.mask == f.mask;
        if (complete && !same_place(f.where, other.where))
          fail(name_of(f) + " and " + name_of(other) + " meet at different warp operations, " +
                   site(f.where) + " and " + site(other.where),
               f.where);
        met |= 1u << k;
      }
      if (!complete) continue;
      for (int k = 0; k < lanes; ++k)
        if (met >> k & 1) {
          Fiber& other = fibers[base + size_t(k)];
          other.state = kReady, other.met = met, other.posted = other.phase, other.phase ^= 1;
        }
      freed = true;
    }
  }
  return freed;
}

// Frees the block barrier if all that are left wait at the same one.
bool release_block() {
  const Fiber* first = nullptr;
  for (const Fiber& f : fibers) {
    if (f.state == kDone) continue;
    if (f.state != kAtBlock) return false;
    if (!first) first = &f;
    if (!same_place(f.where, first->where))
      fail("divergent __syncthreads: " + name_of(*first) + " at " + site(first->where) + ", " + name_of(f) +
               " at " + site(f.where),
           f.where);
  }
  if (!first) return false;
  for (Fiber& f : fibers)
    if (f.state == kAtBlock) f.state = kReady;
  return true;
}

void run_block(const std::vector<int>& order) {
  for (;;) {
    bool ran = false;
    for (const int i : order)
      if (fibers[size_t(i)].state == kReady) resume(fibers[size_t(i)]), ran = true;
    if (!ran && !release_warps() && !release_block()) break;
  }
  for (const Fiber& f : fibers)
    if (f.state != kDone) fail("deadlock: " + name_of(f) + " waits for ever at " + site(f.where), f.where);
}

std::vector<int> ordered(size_t n) {
  std::vector<int> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = int(i);
  const char* wish = std::getenv("SGA_EMU_ORDER");
  const std::string how = !chosen_order.empty() ? chosen_order : wish ? wish : "forward";
  if (how == "reverse")
    std::reverse(order.begin(), order.end());
  else if (how != "forward")
    std::shuffle(order.begin(), order.end(), std::mt19937(unsigned(std::atoi(how.c_str()))));
  return order;
}

// Stacks of fibers that a failure left behind.
struct Cleanup {
  ~Cleanup() {
    self = nullptr;
    for (Fiber& f : fibers)
      if (f.stack >= 0) idle.push_back(std::exchange(f.stack, -1));
  }
};

}  // namespace

void set_order(const std::string& order) { chosen_order = order; }

void run_grid(dim3 grid, dim3 block, size_t smem_bytes, const std::function<void()>& f) {
  if (self) throw Error("emu: launch from inside a kernel");
  const size_t threads = size_t(block.x) * block.y * block.z, blocks = size_t(grid.x) * grid.y * grid.z;
  const std::vector<int> thread_order = ordered(threads), block_order = ordered(blocks);
  body = &f;
  gridDim = grid, blockDim = block;
  const Cleanup cleanup;
  for (const int b : block_order) {
    const unsigned u = unsigned(b);
    blockIdx = {u % grid.x, u / grid.x % grid.y, u / (grid.x * grid.y)};
    ++blocks_run;
    smem.assign(smem_bytes, char(0xff));  // NaN
    fibers.assign(threads, Fiber{});
    for (unsigned t = 0; t < threads; ++t)
      fibers[t].index = {t % block.x, t / block.x % block.y, t / (block.x * block.y)};
    run_block(thread_order);
  }
}

void fail(const std::string& what, Where w) {
  throw Error("emu: " + what + " [" + site(w) + ", block (" + std::to_string(blockIdx.x) + "," +
              std::to_string(blockIdx.y) + "," + std::to_string(blockIdx.z) + ")]");
}
void block_barrier(Where w) {
  self->state = kAtBlock, self->where = w;
  suspend();
}
void warp_barrier(unsigned mask, Where w) {
  self->state = kAtWarp, self->mask = mask, self->where = w;
  suspend();
}
int lane() { return int(self - fibers.data()) % 32; }
bool met(int l) { return l >= 0 && l < 32 && (self->met >> l & 1); }
void* outbox() { return self->mail[self->phase]; }
const void* inbox(int l) {
  const Fiber& f = fibers[size_t(self - fibers.data()) / 32 * 32 + size_t(l)];
  return f.mail[f.posted];
}
void* dynamic_smem() { return smem.data(); }
void poison_once_a_block(void* p, size_t bytes) {
  static std::map<void*, uint64_t> poisoned;
  uint64_t& last = poisoned[p];
  if (last == blocks_run) return;
  std::memset(p, 0xff, bytes);
  last = blocks_run;
}

}  // namespace emu

unsigned __ballot_sync(unsigned mask, int predicate, emu::Where w) {
  using namespace emu;
  const int mine = predicate != 0;
  std::memcpy(outbox(), &mine, sizeof mine);
  warp_barrier(mask, w);
  unsigned result = 0;
  for (int l = 0; l < 32; ++l)
    if (met(l)) {
      int theirs;
      std::memcpy(&theirs, inbox(l), sizeof theirs);
      result |= unsigned(theirs) << l;
    }
  return result;
}
