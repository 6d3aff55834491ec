#include "tests/kernels/shim/launch.h"

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace ablate::shim {
namespace {

namespace context = boost::context;

constexpr size_t kStackBytes = size_t{128} << 10U;
constexpr size_t kGuardBytes = 256;
constexpr unsigned char kUnwritten = 0xFF;

// The sanitizer must know whose stack it is on. Boost's own hooks are not in Debian's build of it.
class StackSwitch {
 public:
  // To a stack that begins at `bottom`.
  StackSwitch([[maybe_unused]] const void* bottom, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake_stack_, bottom, bytes);
#endif
  }
  // Back on the stack that was left.
  void Returned() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
  }

 private:
  [[maybe_unused]] void* fake_stack_ = nullptr;
};

struct Thread {
  enum class State { kReady, kAtBarrier, kInExchange, kDone };

  ThreadPlace place;
  uint32_t index = 0;  // in the block
  State state = State::kReady;
  Place waits_at = {"", 0};
  uint32_t mask = 0;
  uint64_t value = 0;
  std::array<uint64_t, kWarpSize> gathered = {};

  context::fiber fiber;   // the thread's own, while it does not run
  context::fiber caller;  // who let it run, while it does
  context::stack_context stack;

  uint32_t lane() const { return index % kWarpSize; }
};

std::string Name(const Thread& thread) {
  const auto text = [](const Index3& i) {
    return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
  };
  return "thread " + text(thread.place.thread) + " of block " + text(thread.place.block);
}

std::string Name(Place place) {
  return std::string(place.file) + ":" + std::to_string(place.line);
}

bool Same(Place a, Place b) {
  return a.line == b.line && std::strcmp(a.file, b.file) == 0;
}

// Ends a thread whose block goes on no more.
struct Abandoned : std::exception {};

class Block;
Block* running_block = nullptr;
Thread* running_thread = nullptr;

// A stack that is the block's, not the fiber's: the pool keeps it.
class BorrowedStack {
 public:
  explicit BorrowedStack(context::stack_context stack) : stack_(stack) {}
  context::stack_context allocate() { return stack_; }
  void deallocate(context::stack_context& /*stack*/) {}

 private:
  context::stack_context stack_;
};

class Stacks {
 public:
  explicit Stacks(size_t count) : allocator_(kStackBytes) {
    for (size_t i = 0; i < count; ++i) stacks_.push_back(allocator_.allocate());
  }
  ~Stacks() {
    for (context::stack_context& stack : stacks_) allocator_.deallocate(stack);
  }
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  const context::stack_context& operator[](size_t i) const { return stacks_[i]; }

 private:
  context::pooled_fixedsize_stack allocator_;
  std::vector<context::stack_context> stacks_;
};

class Block {
 public:
  Block(const LaunchShape& shape, Index3 place, const Stacks& stacks, std::mt19937& random)
      : random_(random),
        shared_(shape.shared_bytes + 2 * kGuardBytes, kUnwritten),
        threads_(size_t{shape.block.x} * shape.block.y * shape.block.z) {
    for (size_t i = 0; i < threads_.size(); ++i) {
      Thread& thread = threads_[i];
      thread.index = static_cast<uint32_t>(i);
      thread.place = {.thread = {.x = thread.index % shape.block.x,
                                 .y = thread.index / shape.block.x % shape.block.y,
                                 .z = thread.index / shape.block.x / shape.block.y},
                      .block = place,
                      .block_dim = shape.block,
                      .grid_dim = shape.grid};
      thread.stack = stacks[i];
    }
  }

  std::string Run(const std::function<void()>& kernel) {
    running_block = this;
    for (Thread& thread : threads_) {
      thread.fiber = context::fiber(std::allocator_arg, BorrowedStack(thread.stack),
                                    [&, this](context::fiber&& caller) { return Live(thread, caller, kernel); });
      ready_.push_back(&thread);
    }
    while (error_.empty() && !ready_.empty()) {
      std::swap(ready_[random_() % ready_.size()], ready_.back());
      Thread* const next = ready_.back();
      ready_.pop_back();
      Resume(*next);
      if (next->state == Thread::State::kDone) ++n_done_;
      Release(*next);
    }
    if (error_.empty() && n_done_ < threads_.size()) error_ = DescribeStuck();
    CheckGuards();
    Abandon();
    running_block = nullptr;
    return error_;
  }

  void* shared() { return shared_.data() + kGuardBytes; }

  // On the thread's own stack: lets the block go on with another.
  void Suspend(Thread& thread, Thread::State state) {
    if (abandons_) throw Abandoned();
    thread.state = state;
    SwitchToBlock(thread);
    if (abandons_) throw Abandoned();
  }

 private:
  context::fiber Live(Thread& thread, context::fiber& caller, const std::function<void()>& kernel) {
    thread.caller = std::move(caller);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &block_stack_bottom_, &block_stack_bytes_);
#endif
    try {
      if (!abandons_) kernel();
    } catch (const Abandoned&) {
      thread.waits_at = {"", 0};
    }
    thread.state = Thread::State::kDone;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(nullptr, block_stack_bottom_, block_stack_bytes_);
#endif
    return std::move(thread.caller);
  }

  void SwitchToBlock(Thread& thread) const {
    StackSwitch to_block(block_stack_bottom_, block_stack_bytes_);
    thread.caller = std::move(thread.caller).resume();
    to_block.Returned();
  }

  static void Resume(Thread& thread) {
    running_thread = &thread;
    const auto* top = static_cast<const char*>(thread.stack.sp);
    StackSwitch to_thread(top - thread.stack.size, thread.stack.size);
    thread.fiber = std::move(thread.fiber).resume();
    to_thread.Returned();
    running_thread = nullptr;
  }

  // Makes ready whom the arrival, or the end, of `last` sets free.
  void Release(const Thread& last) {
    if (last.state == Thread::State::kAtBarrier) return ReleaseBarrier(last);
    if (last.state == Thread::State::kInExchange) return ReleaseExchange(last);
  }

  void ReleaseBarrier(const Thread& last) {
    ++n_at_barrier_;
    if (n_at_barrier_ < threads_.size()) return;
    n_at_barrier_ = 0;
    for (Thread& thread : threads_) {
      if (!Same(thread.waits_at, last.waits_at)) {
        error_ =
            Name(thread) + " is at the barrier " + Name(thread.waits_at) + ", others are at " + Name(last.waits_at);
        return;
      }
      MakeReady(thread);
    }
  }

  void ReleaseExchange(const Thread& last) {
    const size_t first = last.index - last.lane();
    const size_t width = std::min<size_t>(kWarpSize, threads_.size() - first);
    if ((last.mask >> last.lane() & 1U) == 0 || (width < kWarpSize && last.mask >> width != 0)) {
      error_ = Name(last) + ": its mask at " + Name(last.waits_at) + " leaves out its own lane, or names one too many";
      return;
    }
    std::array<uint64_t, kWarpSize> values = {};
    for (size_t lane = 0; lane < width; ++lane) {
      if ((last.mask >> lane & 1U) == 0) continue;
      const Thread& other = threads_[first + lane];
      if (other.state != Thread::State::kInExchange) return;
      if (other.mask != last.mask || !Same(other.waits_at, last.waits_at)) {
        error_ = Name(last) + " meets " + Name(other) + " at " + Name(last.waits_at) + " and " + Name(other.waits_at) +
                 ", or with another mask";
        return;
      }
      values[lane] = other.value;
    }
    for (size_t lane = 0; lane < width; ++lane) {
      if ((last.mask >> lane & 1U) == 0) continue;
      threads_[first + lane].gathered = values;
      MakeReady(threads_[first + lane]);
    }
  }

  void MakeReady(Thread& thread) {
    thread.state = Thread::State::kReady;
    ready_.push_back(&thread);
  }

  std::string DescribeStuck() const {
    for (const Thread& thread : threads_) {
      if (thread.state == Thread::State::kDone) continue;
      return Name(thread) + " waits at " + Name(thread.waits_at) +
             " for threads that never come: " + std::to_string(n_done_) + " of " + std::to_string(threads_.size()) +
             " have ended";
    }
    return "";
  }

  void CheckGuards() {
    if (!error_.empty()) return;
    for (size_t i = 0; i < shared_.size(); ++i) {
      const bool is_guard = i < kGuardBytes || i >= shared_.size() - kGuardBytes;
      if (!is_guard || shared_[i] == kUnwritten) continue;
      error_ = "byte " + std::to_string(static_cast<int64_t>(i) - static_cast<int64_t>(kGuardBytes)) + " of " +
               std::to_string(shared_.size() - 2 * kGuardBytes) + " bytes of shared memory was written";
      return;
    }
  }

  // Ends the threads that wait, each on its own stack.
  void Abandon() {
    abandons_ = true;
    for (Thread& thread : threads_) {
      if (thread.state != Thread::State::kDone) Resume(thread);
    }
  }

  std::mt19937& random_;
  std::vector<unsigned char> shared_;
  std::vector<Thread> threads_;
  std::vector<Thread*> ready_;
  size_t n_done_ = 0;
  size_t n_at_barrier_ = 0;
  std::string error_;
  bool abandons_ = false;
  // Where Run runs, as the sanitizer tells.
  const void* block_stack_bottom_ = nullptr;
  size_t block_stack_bytes_ = 0;
};

}  // namespace

std::string Launch(const LaunchShape& shape, uint32_t seed, const std::function<void()>& kernel) {
  std::mt19937 random(seed);
  const size_t n_blocks = size_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  std::vector<size_t> order(n_blocks);
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin(), order.end(), random);
  const Stacks stacks(size_t{shape.block.x} * shape.block.y * shape.block.z);
  for (const size_t i : order) {
    const Index3 place = {.x = static_cast<uint32_t>(i % shape.grid.x),
                          .y = static_cast<uint32_t>(i / shape.grid.x % shape.grid.y),
                          .z = static_cast<uint32_t>(i / shape.grid.x / shape.grid.y)};
    const std::string error = Block(shape, place, stacks, random).Run(kernel);
    if (!error.empty()) return error;
  }
  return "";
}

const ThreadPlace& Here() {
  return running_thread->place;
}

void* SharedMemory() {
  return running_block->shared();
}

void WaitForBlock(Place place) {
  running_thread->waits_at = place;
  running_block->Suspend(*running_thread, Thread::State::kAtBarrier);
}

const std::array<uint64_t, kWarpSize>& Exchange(Place place, uint32_t mask, uint64_t value) {
  Thread& self = *running_thread;
  self.waits_at = place;
  self.mask = mask;
  self.value = value;
  running_block->Suspend(self, Thread::State::kInExchange);
  return self.gathered;
}

uint32_t Lane() {
  return running_thread->lane();
}

}  // namespace ablate::shim
