#include "bench/reference_loops.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace heddle::bench {
namespace {

/// Threads that wait for shares of work.
class Team {
public:
    explicit Team(int threads) {
        for (int k = 1; k < threads; ++k) workers_.emplace_back([this, k] { serve(k); });
    }
    ~Team() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        start_.notify_all();
        for (std::thread& worker : workers_) worker.join();
    }

    void run(std::size_t count, const std::function<void(std::size_t, std::size_t)>& body) {
        {
            const std::lock_guard lock(mutex_);
            count_ = count, body_ = &body, left_ = static_cast<int>(workers_.size());
            ++round_;
        }
        start_.notify_all();
        share(0, count, body);
        std::unique_lock lock(mutex_);
        done_.wait(lock, [this] { return left_ == 0; });
    }

private:
    void share(int k, std::size_t count, const std::function<void(std::size_t, std::size_t)>& body) const {
        const std::size_t threads = workers_.size() + 1, place = static_cast<std::size_t>(k);
        body(count * place / threads, count * (place + 1) / threads);
    }

    void serve(int k) {
        for (unsigned seen = 0;;) {
            std::unique_lock lock(mutex_);
            start_.wait(lock, [&] { return stop_ || round_ != seen; });
            if (stop_) return;
            seen = round_;
            const auto* body = body_;
            const std::size_t count = count_;
            lock.unlock();
            share(k, count, *body);
            lock.lock();
            if (--left_ == 0) done_.notify_one();
        }
    }

    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable start_, done_;
    const std::function<void(std::size_t, std::size_t)>* body_ = nullptr;
    std::size_t count_ = 0;
    unsigned round_ = 0;
    int left_ = 0;
    bool stop_ = false;
};

} // namespace

void on_threads(int threads, std::size_t count, const std::function<void(std::size_t, std::size_t)>& body) {
    if (threads <= 1) return body(0, count);
    static std::mutex mutex;
    static std::unique_ptr<Team> team;
    static int size = 0;
    const std::lock_guard lock(mutex);
    if (size != threads) team = std::make_unique<Team>(threads), size = threads;
    team->run(count, body);
}

void gelu_loop(const float* x, float* y, std::size_t count, int threads) {
    on_threads(threads, count, [=](std::size_t begin, std::size_t end) {
        for (std::size_t k = begin; k < end; ++k) {
            const float a = x[k], inner = 0.7978845608f * (a + 0.044715f * a * a * a);
            // tanh by the vector exp
            const float e = expf(-2.0f * inner);
            y[k] = 0.5f * a * (1.0f + (1.0f - e) / (1.0f + e));
        }
    });
}

void softmax_loop(const float* x, float* y, std::size_t rows, std::size_t columns, int threads) {
    on_threads(threads, rows, [=](std::size_t begin, std::size_t end) {
        for (std::size_t row = begin; row < end; ++row) {
            const float* from = x + row * columns;
            float* to = y + row * columns;
            float largest = -INFINITY, sum = 0;
            for (std::size_t k = 0; k < columns; ++k) largest = largest > from[k] ? largest : from[k];
            for (std::size_t k = 0; k < columns; ++k) {
                to[k] = expf(from[k] - largest);
                sum += to[k];
            }
            const float scale = 1.0f / sum;
            for (std::size_t k = 0; k < columns; ++k) to[k] *= scale;
        }
    });
}

void layer_norm_loop(const float* x, const float* weight, const float* bias, float* y, std::size_t rows,
                     std::size_t columns, int threads) {
    on_threads(threads, rows, [=](std::size_t begin, std::size_t end) {
        for (std::size_t row = begin; row < end; ++row) {
            const float* from = x + row * columns;
            float* to = y + row * columns;
            float sum = 0, squares = 0;
            for (std::size_t k = 0; k < columns; ++k) sum += from[k];
            const float mean = sum / static_cast<float>(columns);
            for (std::size_t k = 0; k < columns; ++k) squares += (from[k] - mean) * (from[k] - mean);
            const float scale = 1.0f / std::sqrt(squares / static_cast<float>(columns) + 1e-5f);
            for (std::size_t k = 0; k < columns; ++k) to[k] = (from[k] - mean) * scale * weight[k] + bias[k];
        }
    });
}

float read_loop(const float* x, std::size_t count, int threads) {
    std::atomic<float> total{0};
    on_threads(threads, count, [&](std::size_t begin, std::size_t end) {
        float sum = 0;
        for (std::size_t k = begin; k < end; ++k) sum += x[k];
        total.store(total.load(std::memory_order_relaxed) + sum, std::memory_order_relaxed);
    });
    return total.load();
}

void copy_loop(const float* x, float* y, std::size_t count, int threads) {
    on_threads(threads, count, [=](std::size_t begin, std::size_t end) {
        std::memcpy(y + begin, x + begin, (end - begin) * sizeof(float));
    });
}

} // namespace heddle::bench
