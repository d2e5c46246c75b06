// One item computes one element.

#define UNARY(name, IN, OUT, expression)                                                                                                     \
    __kernel void name(TENSOR(const IN, src), TENSOR(OUT, dst), const int count, const float alpha, const float beta) {                      \
        BIND_CONST(IN, src);                                                                                                                 \
        BIND(OUT, dst);                                                                                                                      \
        int i = get_global_id(0);                                                                                                            \
        if (i >= count) return;                                                                                                              \
        IN x = src[i];                                                                                                                       \
        dst[i] = (OUT)(expression);                                                                                                          \
    }

UNARY(abs_float, float, float, fabs(x))
UNARY(neg_float, float, float, -x)
UNARY(sign_float, float, float, x != x ? x : sign(x))
UNARY(exp_float, float, float, exp(x))
UNARY(log_float, float, float, log(x))
UNARY(sqrt_float, float, float, sqrt(x))
UNARY(reciprocal_float, float, float, 1.0f / x)
UNARY(floor_float, float, float, floor(x))
UNARY(ceil_float, float, float, ceil(x))
UNARY(round_float, float, float, rint(x))
UNARY(sin_float, float, float, sin(x))
UNARY(cos_float, float, float, cos(x))
UNARY(tan_float, float, float, tan(x))
UNARY(asin_float, float, float, asin(x))
UNARY(acos_float, float, float, acos(x))
UNARY(atan_float, float, float, atan(x))
UNARY(sinh_float, float, float, sinh(x))
UNARY(cosh_float, float, float, cosh(x))
UNARY(asinh_float, float, float, asinh(x))
UNARY(acosh_float, float, float, acosh(x))
UNARY(atanh_float, float, float, atanh(x))
UNARY(erf_float, float, float, erf(x))
UNARY(isnan_float, float, uchar, x != x)
UNARY(isinf_float, float, uchar, (x == INFINITY && alpha != 0.0f) || (x == -INFINITY && beta != 0.0f))
UNARY(relu_float, float, float, x < 0.0f ? 0.0f : x)
UNARY(leakyrelu_float, float, float, x < 0.0f ? alpha * x : x)
UNARY(elu_float, float, float, x < 0.0f ? alpha * expm1(x) : x)
UNARY(selu_float, float, float, beta * (x < 0.0f ? alpha * expm1(x) : x))
UNARY(celu_float, float, float, x < 0.0f ? alpha * expm1(x / alpha) : x)
UNARY(sigmoid_float, float, float, 1.0f / (1.0f + exp(-x)))
UNARY(hardsigmoid_float, float, float, x == x ? clamp(alpha * x + beta, 0.0f, 1.0f) : x)
UNARY(hardswish_float, float, float, x * clamp(x * (1.0f / 6.0f) + 0.5f, 0.0f, 1.0f))
UNARY(softplus_float, float, float, fmax(x, 0.0f) + log1p(exp(-fabs(x))))
UNARY(softsign_float, float, float, x / (1.0f + fabs(x)))
UNARY(tanh_float, float, float, tanh(x))
UNARY(thresholdedrelu_float, float, float, x > alpha ? x : 0.0f)
UNARY(shrink_float, float, float, x < -alpha ? x + beta : x > alpha ? x - beta : 0.0f)
UNARY(mish_float, float, float, x * tanh(fmax(x, 0.0f) + log1p(exp(-fabs(x)))))
UNARY(gelu_float, float, float, 0.5f * x * (1.0f + erf(x * 0.70710678118654752f)))
UNARY(gelutanh_float, float, float, 0.5f * x * (1.0f + tanh(0.79788456080286536f * (x + 0.044715f * x * x * x))))
UNARY(swish_float, float, float, x / (1.0f + exp(-alpha * x)))
UNARY(not_uchar, uchar, uchar, x == 0)
UNARY(abs_int, int, int, x < 0 ? -x : x)
UNARY(neg_int, int, int, -x)
UNARY(abs_long, long, long, x < 0 ? -x : x)
UNARY(neg_long, long, long, -x)

// Limits may be absent; where the minimum is above the maximum, the maximum wins.
#define CLIP(T)                                                                                                                              \
    __kernel void clip_##T(TENSOR(const T, src), TENSOR(const T, low), TENSOR(const T, high), TENSOR(T, dst), const int count,               \
                           const int has_low, const int has_high) {                                                                          \
        BIND_CONST(T, src);                                                                                                                  \
        BIND_CONST(T, low);                                                                                                                  \
        BIND_CONST(T, high);                                                                                                                 \
        BIND(T, dst);                                                                                                                        \
        int i = get_global_id(0);                                                                                                            \
        if (i >= count) return;                                                                                                              \
        T x = src[i];                                                                                                                        \
        if (has_low && x < low[0]) x = low[0];                                                                                               \
        if (has_high && x > high[0]) x = high[0];                                                                                            \
        dst[i] = x;                                                                                                                          \
    }

CLIP(float)
CLIP(int)
CLIP(long)

// Planes [batch, channels, spatial] moved and scaled by numbers that each channel has.
__kernel void normalize_channels(TENSOR(const float, src), TENSOR(const float, scale), TENSOR(const float, bias), TENSOR(const float, mean),
                                 TENSOR(const float, variance), TENSOR(float, dst), const int spatial, const int planes, const int channels, const float epsilon) {
    BIND_CONST(float, src);
    BIND_CONST(float, scale);
    BIND_CONST(float, bias);
    BIND_CONST(float, mean);
    BIND_CONST(float, variance);
    BIND(float, dst);
    int i = get_global_id(0), plane = get_global_id(1), channel = plane % channels;
    if (i >= spatial || plane >= planes) return;
    float factor = scale[channel] / sqrt(variance[channel] + epsilon);
    dst[plane * spatial + i] = src[plane * spatial + i] * factor + (bias[channel] - mean[channel] * factor);
}

#define BINARY(name, IN, OUT, expression)                                                                                                    \
    __kernel void name(TENSOR(const IN, a), TENSOR(const IN, b), TENSOR(OUT, dst), ROW_ARGS) {                                               \
        BIND_CONST(IN, a);                                                                                                                   \
        BIND_CONST(IN, b);                                                                                                                   \
        BIND(OUT, dst);                                                                                                                      \
        ROW_BEGIN                                                                                                                            \
        IN x = a[first], y = b[second];                                                                                                      \
        dst[j * inner + i] = (OUT)(expression);                                                                                              \
    }

#define ARITHMETIC(T)                                                                                                                        \
    BINARY(add_##T, T, T, x + y)                                                                                                             \
    BINARY(sub_##T, T, T, x - y)                                                                                                             \
    BINARY(mul_##T, T, T, x * y)                                                                                                             \
    BINARY(equal_##T, T, uchar, x == y)                                                                                                      \
    BINARY(greater_##T, T, uchar, x > y)                                                                                                     \
    BINARY(greaterorequal_##T, T, uchar, x >= y)                                                                                             \
    BINARY(less_##T, T, uchar, x < y)                                                                                                        \
    BINARY(lessorequal_##T, T, uchar, x <= y)

ARITHMETIC(float)
ARITHMETIC(int)
ARITHMETIC(long)
BINARY(div_float, float, float, x / y)
BINARY(pow_float, float, float, pow(x, y))
BINARY(mod_float, float, float, x - floor(x / y) * y)
BINARY(fmod_float, float, float, fmod(x, y))
BINARY(min_float, float, float, x != x || x < y ? x : y)
BINARY(max_float, float, float, x != x || x > y ? x : y)
BINARY(prelu_float, float, float, x < 0.0f ? x * y : x)
BINARY(min_int, int, int, x < y ? x : y)
BINARY(max_int, int, int, x > y ? x : y)
BINARY(min_long, long, long, x < y ? x : y)
BINARY(max_long, long, long, x > y ? x : y)
BINARY(equal_uchar, uchar, uchar, x == y)
BINARY(and_uchar, uchar, uchar, x & y)
BINARY(or_uchar, uchar, uchar, x | y)
BINARY(xor_uchar, uchar, uchar, x ^ y)
