#pragma once
// What the queue is told of one command buffer that is submitted again and again: put together once, since all that changes from one time to
// the next is the value to be signalled and what is waited for.

#include "runtime/vulkan/functions.h"
#include "support/integers.h"

namespace heddle::runtime::vulkan {

class Submission {
public:
    Submission() {
        info_.pNext = &values_;
        values_.signalSemaphoreValueCount = 1;
        values_.pSignalSemaphoreValues = &value_;
        values_.pWaitSemaphoreValues = &waited_value_;
        info_.commandBufferCount = 1;
        info_.pCommandBuffers = &commands_;
        info_.signalSemaphoreCount = 1;
        info_.pSignalSemaphores = &timeline_;
        info_.pWaitSemaphores = &waited_;
        info_.pWaitDstStageMask = &stage_;
    }
    Submission(const Submission&) = delete;
    Submission& operator=(const Submission&) = delete;

    /// Once: what is submitted, and where its end is signalled.
    void set(VkCommandBuffer commands, VkSemaphore timeline) {
        commands_ = commands;
        timeline_ = timeline;
    }
    /// Signals `value` at its end, and starts once `waited` has `waited_value`, unless that is 0.
    const VkSubmitInfo& info(u64 value, VkSemaphore waited, u64 waited_value) {
        value_ = value;
        waited_ = waited;
        waited_value_ = waited_value;
        values_.waitSemaphoreValueCount = info_.waitSemaphoreCount = waited_value != 0;
        return info_;
    }

private:
    VkSubmitInfo info_{VK_STRUCTURE_TYPE_SUBMIT_INFO};
    VkTimelineSemaphoreSubmitInfo values_{VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    VkSemaphore timeline_ = VK_NULL_HANDLE, waited_ = VK_NULL_HANDLE;
    u64 value_ = 0, waited_value_ = 0;
    VkPipelineStageFlags stage_ = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
};

} // namespace heddle::runtime::vulkan
