#pragma once
// The frame of passes that replace nodes: a fresh copy of a function is made node by node, regions included, and a hook may
// put something else in a node's place. Nodes that nothing reads any more are simply not copied (see `needed`).
//
//     ir::Function out = rewrite(kernel, [](Rewriter& r, ir::NodeId old) -> ir::NodeId {
//         if (r.from().op(old) != ir::Op::abs) return {};              // an invalid id: copy as it is
//         ir::NodeId x = r.mapped(r.from().operand(old, 0));
//         return r.kernel().ternary(...);
//     });

#include "ir/kernel_builder.h"

#include <functional>
#include <memory>
#include <unordered_map>

namespace heddle::passes {

/// While it lives, the rewrites of this thread are counted, and those beyond a limit are left undone: a miscompile is found by halving the
/// limit. A node that is put in place of an equal one is no rewrite. Watches may lie in each other; the innermost counts.
class RewriteWatch {
public:
    explicit RewriteWatch(u64 limit = ~u64{0});
    ~RewriteWatch();
    RewriteWatch(const RewriteWatch&) = delete;
    RewriteWatch& operator=(const RewriteWatch&) = delete;

    u64 count() const { return count_; }

private:
    friend class Rewriter;
    static RewriteWatch* innermost();

    u64 limit_;
    u64 count_ = 0;
    RewriteWatch* outer_;
};

class Rewriter {
public:
    /// Gives the replacement of a node, in terms of mapped operands, or an invalid id to copy the node. For an op with several
    /// results the replacement of each is set with `map_result`, and the returned id stands for the op itself.
    using Hook = std::function<ir::NodeId(Rewriter&, ir::NodeId)>;

    /// Called in the place of the root body, which it copies by calling its second argument: a kernel gets something around it,
    /// or parameters more.
    using Around = std::function<void(Rewriter&, const std::function<void()>&)>;

    Rewriter(const ir::Function& from, ir::Function& to, Hook hook);

    const ir::Function& from() const { return *from_; }
    ir::Function& to() { return *to_; }
    ir::KernelBuilder& kernel() { return kernel_; }

    /// What stands for an old node in the copy. Old nodes come in order, so operands are there before their users.
    ir::NodeId mapped(ir::NodeId old) const;
    std::vector<ir::NodeId> mapped(std::span<const ir::NodeId> old) const;
    void map(ir::NodeId old, ir::NodeId replacement) { map_[old.value] = replacement; }
    /// The k-th result of an old node with several results becomes `replacement`.
    void map_result(ir::NodeId old, u32 k, ir::NodeId replacement);

    /// Copies the body of an old region into the current region of the copy, after its parameters were mapped by the caller
    /// (hooks of loops and conditions use it). Gives the mapped yields.
    std::vector<ir::NodeId> copy_body(const ir::Region& region);
    /// Copies one node as it is, its regions through the hook.
    ir::NodeId copy(ir::NodeId old);

    /// Called where the copied pointer parameters end: a kernel gets pointers more.
    using Pointers = std::function<void(Rewriter&)>;

    /// Parameters, attributes, facts, then the root body and the results.
    void run(const Around& around = {}, const Pointers& pointers = {});

private:
    void copy_parameters(const Pointers& pointers);
    /// The hook's replacement of a node, unless the watch has seen enough.
    ir::NodeId replacement_of(ir::NodeId old);
    bool is_copy(ir::NodeId replacement, ir::NodeId old) const;

    const ir::Function* from_;
    ir::Function* to_;
    ir::KernelBuilder kernel_;
    Hook hook_;
    std::vector<ir::NodeId> map_;
    std::vector<bool> needed_;
    std::unordered_map<u64, ir::NodeId> results_;
};

/// Rewrites a function of a module into a new function of the same module that takes its name and place.
/// Gives the new function; the old one is gone.
ir::Function& rewrite(ir::Function& function, Rewriter::Hook hook, const Rewriter::Around& around = {},
                      const Rewriter::Pointers& pointers = {});
/// A copy of a function, added to its module under another name.
ir::Function& add_copy(const ir::Function& function, std::string name);
/// A copy takes the function's place in its module; gives the function itself, to be put back with `put_back` should the passes that
/// the copy is for fail.
std::unique_ptr<ir::Function> set_aside(ir::Function*& function);
/// In the place of whatever has taken the copy's name since. Gives the function.
ir::Function* put_back(std::unique_ptr<ir::Function> function);

} // namespace heddle::passes
