#pragma once
// Recording one op: finds the trace or lazy graph it belongs to, brings its operands there with one dtype and shape, and makes
// errors name the op, the user's line and the operands. Every op of the frontend is a body given to `record`.

#include "frontend/promotion.h"
#include "frontend/recorder.h"

#include <heddle/ops.h>

namespace heddle::detail {

class Trace;
class LazyGraph;

/// What an operand brings to the choice of a dtype.
struct OperandType {
    bool is_number = false;
    Dtype dtype = Dtype::f32;               ///< of arrays
    NumberKind kind = NumberKind::floating; ///< of numbers
};

class Emitter {
public:
    using Where = Array::Where;
    Emitter(const char* op, Where where, std::span<const Operand* const> operands);
    Emitter(const Emitter&) = delete;
    Emitter& operator=(const Emitter&) = delete;
    ~Emitter();

    ir::Builder& builder() { return graph_->builder; }
    ir::Function& function() { return graph_->function; }
    ir::Dims& dims() { return graph_->module.dims; }
    Trace* trace() { return trace_; }
    /// Where the op will run. A lazy graph without a device gets the default one, for good.
    runtime::DeviceRef device();
    bool weak() const { return weak_; }
    Where where() const { return where_; }

    // ---- operands
    OperandType type_of(const Operand& operand) const;
    Dtype common_dtype(std::span<const Operand* const> operands) const;
    /// In a dtype of its own choice (numbers: the default of their kind).
    ir::NodeId node(const Operand& operand);
    ir::NodeId node(const Operand& operand, Dtype dtype);
    /// As bool: is it not 0.
    ir::NodeId truth(const Operand& operand) { return builder().cast(node(operand), Dtype::boolean); }
    std::vector<ir::NodeId> nodes(std::span<const Operand* const> operands, Dtype dtype);

    // ---- sizes
    ir::DimId dim(const Dim& dim);
    std::vector<ir::DimId> dim_list(const Shape& shape);
    ir::DimId constant(i64 value) { return dims().constant(value); }
    i64 value_of(ir::DimId id);
    std::span<const ir::DimId> shape(ir::NodeId node) const { return graph_->function.shape(node); }
    int rank(ir::NodeId node) const { return static_cast<int>(shape(node).size()); }
    /// True if equal in this call; a shapeless trace records that they must be.
    bool equal(ir::DimId a, ir::DimId b);
    /// True if the size is 1 in this call; a shapeless trace records that it must be.
    bool is_one(ir::DimId size);
    /// Likewise; a shapeless trace records which of both it is.
    bool is_one_or_never(ir::DimId size);
    /// True if an axis of that size has to be stretched to the other; likewise.
    bool stretches(ir::DimId size, ir::DimId other);
    /// A condition on sizes that the op needs; ShapeError with `message` where it does not hold in this call.
    void require_not_above(ir::DimId a, ir::DimId b, const std::string& message);
    /// Non-negative axis; ShapeError when out of range.
    i64 axis(int axis, int rank) const;
    std::vector<i64> axis_list(const Axes& axes, int rank) const;

    // ---- broadcasting
    std::vector<ir::DimId> common_shape(std::span<const ir::NodeId> nodes);
    ir::NodeId broadcast(ir::NodeId node, std::span<const ir::DimId> shape);
    /// Each of rank 0 or with the common shape.
    void align(std::span<ir::NodeId> nodes);

    Array array(ir::NodeId node);
    std::string show(std::span<const ir::DimId> shape);
    /// `mul of f32[2] and 3 (main.cpp:12)`, for messages.
    std::string describe(std::span<const Operand* const> operands) const;

private:
    void choose_home(std::span<const Operand* const> operands);
    void choose_lazy(std::span<const Operand* const> operands);
    ir::NodeId array_node(Value& value);
    ir::NodeId number_node(const Operand& operand, Dtype dtype);
    u64 number_bits(const Operand& operand, Dtype dtype) const;
    void set_location();

    const char* op_;
    Where where_;
    Trace* trace_ = nullptr;
    std::shared_ptr<LazyGraph> lazy_;
    Recorder* home_ = nullptr;
    Graph* graph_ = nullptr;
    bool weak_ = false;
    std::unique_lock<std::mutex> lock_;
};

/// Puts place, op and compiled function into the message of an error on its way.
[[noreturn]] void rethrow_located(const char* op, Array::Where where,
                                  std::span<const Operand* const> operands);

/// Runs `body(Emitter&)`, which gives a node, and makes an array of it.
template <class Body>
Array record(const char* op, Array::Where where, std::span<const Operand* const> operands, Body body) {
    try {
        Emitter emitter(op, where, operands);
        return emitter.array(body(emitter));
    } catch (const std::exception&) {
        rethrow_located(op, where, operands);
    }
}

/// Likewise for one, two or three operands; the first one's place is the op's.
template <class Body> Array record(const char* op, const Operand& a, Body body) {
    const Operand* const operands[] = {&a};
    return record(op, a.where(), operands, body);
}
template <class Body> Array record(const char* op, const Operand& a, const Operand& b, Body body) {
    const Operand* const operands[] = {&a, &b};
    return record(op, a.where(), operands, body);
}

/// A number that belongs to the library's own formula: a constant also in lazy graphs.
template <Number T> Operand literal(T value) { return Operand::literal(value); }

} // namespace heddle::detail
