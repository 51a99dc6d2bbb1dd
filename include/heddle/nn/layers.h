#pragma once
// Layers. Parameters are f32, drawn from the key that the layer is made with (<heddle/random.h>: never use a key twice); update() and
// apply() give them other values and dtypes. Forward functions are const and take any leading axes, written [...].

#include <heddle/functions.h>
#include <heddle/nn/module.h>
#include <heddle/random.h>

namespace heddle::nn {

/// y = x weight^T + bias: [..., inputs] to [..., outputs].
class Linear : public Module {
public:
    /// weight [outputs, inputs] and bias [outputs], uniform in +-1/sqrt(inputs). ShapeError for sizes below 1.
    Linear(int inputs, int outputs, const Array& key, bool with_bias = true);
    /// ShapeError unless the last axis has `inputs` elements.
    Array operator()(const Array& x) const;

    Parameter weight, bias;
    HEDDLE_MEMBERS(weight, bias)
};

/// A row of numbers for each of `count` indices.
class Embedding : public Module {
public:
    /// weight [count, size], normal with deviation 1/sqrt(size).
    Embedding(int count, int size, const Array& key);
    /// Integers [...] to [..., size]; indices are clipped into range.
    Array operator()(const Array& indices) const;
    /// Scores of each index: [..., size] to [..., count].
    Array scores(const Array& x) const;

    Parameter weight;
    HEDDLE_MEMBERS(weight)
};

struct NormOptions {
    float epsilon = 1e-5f;
    bool weight = true; ///< scales, from 1
    bool bias = true;   ///< shifts, from 0; not of RMSNorm
};

/// Centred and scaled to deviation 1 over the last axis, of `size` elements.
class LayerNorm : public Module {
public:
    explicit LayerNorm(int size, const NormOptions& options = {});
    Array operator()(const Array& x) const;
    float epsilon() const { return epsilon_; }

    Parameter weight, bias;
    HEDDLE_MEMBERS(weight, bias)

private:
    int size_;
    float epsilon_;
};

/// Divided by the root of the mean of squares over the last axis, of `size` elements.
class RMSNorm : public Module {
public:
    explicit RMSNorm(int size, const NormOptions& options = {});
    Array operator()(const Array& x) const;
    float epsilon() const { return epsilon_; }

    Parameter weight;
    HEDDLE_MEMBERS(weight)

private:
    int size_;
    float epsilon_;
};

/// In training, zeroes each element with a probability and scales the others so that the mean stays; else gives `x` back.
class Dropout : public Module {
public:
    /// UsageError unless 0 <= probability < 1.
    explicit Dropout(float probability);
    /// `key` decides which elements.
    Array operator()(const Array& x, const Array& key) const;
    float probability() const { return probability_; }

    detail::MutableMembers members() override { return {}; }
    detail::ConstMembers members() const override { return {}; }

private:
    float probability_;
};

} // namespace heddle::nn
