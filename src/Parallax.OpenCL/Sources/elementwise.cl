// Functions of elements of type IN, which give elements of type OUT: options choose both and the function, so that a program has no more than is asked for. One item
// computes a chunk.

#ifdef UNARY
// e^x - 1 for x below 0: 2 t / (1 - t) with t = tanh(x / 2) keeps its digits near zero.
inline FLOATS exp_less_1(const FLOATS x) {
    const FLOATS t = TANH(0.5f * x);
    return (t + t) / (1.0f - t);
}

// x tanh(log(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2). Above 20 the factor rounds to 1; the limit keeps the square finite.
inline FLOATS mish(const FLOATS x) {
    const FLOATS limited = x > 20.0f ? SPLAT(20.0f) : x, e = EXP(limited), n = e * (e + 2.0f);
    return x * (n / (n + 2.0f));
}

#define UNARY_abs(x) (x < (OF(IN))(0) ? -x : x + (OF(IN))(0)) // 0 for -0
#define UNARY_neg(x) (-x)
#define UNARY_sign(x) (x != x ? x : sign(x))
#define UNARY_exp(x) EXP(x)
#define UNARY_log(x) log(x)
#define UNARY_sqrt(x) sqrt(x)
#define UNARY_reciprocal(x) (1.0f / x)
#define UNARY_floor(x) floor(x)
#define UNARY_ceil(x) ceil(x)
#define UNARY_round(x) rint(x)
#define UNARY_sin(x) sin(x)
#define UNARY_cos(x) cos(x)
#define UNARY_tan(x) tan(x)
#define UNARY_asin(x) asin(x)
#define UNARY_acos(x) acos(x)
#define UNARY_atan(x) atan(x)
#define UNARY_sinh(x) sinh(x)
#define UNARY_cosh(x) cosh(x)
#define UNARY_asinh(x) asinh(x)
#define UNARY_acosh(x) acosh(x)
#define UNARY_atanh(x) atanh(x)
#define UNARY_erf(x) ERF(x)
#define UNARY_isnan(x) TRUTH(x != x)
#define UNARY_isinf(x) TRUTH(((x == INFINITY) & (alpha != 0.0f ? -1 : 0)) | ((x == -INFINITY) & (beta != 0.0f ? -1 : 0)))
#define UNARY_relu(x) (x < 0.0f ? SPLAT(0.0f) : x)
#define UNARY_leakyrelu(x) (x < 0.0f ? alpha * x : x)
#define UNARY_elu(x) (x < 0.0f ? alpha * exp_less_1(x) : x)
#define UNARY_selu(x) (beta * (x < 0.0f ? alpha * exp_less_1(x) : x))
#define UNARY_celu(x) (x < 0.0f ? alpha * exp_less_1(x / alpha) : x)
#define UNARY_sigmoid(x) SIGMOID(x)
#define UNARY_hardsigmoid(x) HARD_SIGMOID(x, alpha, beta)
#define UNARY_hardswish(x) HARD_SWISH(x)
#define UNARY_softplus(x) (fmax(x, 0.0f) + log1p(EXP(-fabs(x))))
#define UNARY_softsign(x) (x / (1.0f + fabs(x)))
#define UNARY_tanh(x) TANH(x)
#define UNARY_thresholdedrelu(x) (x > alpha ? x : SPLAT(0.0f))
#define UNARY_shrink(x) (x < -alpha ? x + beta : x > alpha ? x - beta : SPLAT(0.0f))
#define UNARY_mish(x) mish(x)
#define UNARY_gelu(x) GELU(x)
#define UNARY_gelutanh(x) GELU_TANH(x)
#define UNARY_swish(x) SWISH(x, alpha)
#define UNARY_not(x) TRUTH(x == (OF(uchar))(0))

__kernel void unary(TENSOR(const IN, src), TENSOR(OUT, dst), const int count, const float alpha, const float beta) {
    BIND_CONST(IN, src);
    BIND(OUT, dst);
    EACH(i, count) {
        const OF(IN) x = LOAD_FIRST(IN, src + i, LEFT(i), 0);
        STORE_FIRST(OUT, UNARY(x), dst + i, LEFT(i));
    }
}
#endif

#ifdef BINARY
#define BINARY_add(x, y) (x + y)
#define BINARY_sub(x, y) (x - y)
#define BINARY_mul(x, y) (x * y)
#define BINARY_div(x, y) (x / y)
#define BINARY_pow(x, y) pow(x, y)
#define BINARY_mod(x, y) (x - floor(x / y) * y)
#define BINARY_fmod(x, y) fmod(x, y)
#define BINARY_min(x, y) (((x != x) | (x < y)) ? x : y)
#define BINARY_max(x, y) (((x != x) | (x > y)) ? x : y)
#define BINARY_prelu(x, y) (x < 0.0f ? x * y : x)
#define BINARY_equal(x, y) TRUTH(x == y)
#define BINARY_greater(x, y) TRUTH(x > y)
#define BINARY_greaterorequal(x, y) TRUTH(x >= y)
#define BINARY_less(x, y) TRUTH(x < y)
#define BINARY_lessorequal(x, y) TRUTH(x <= y)
#define BINARY_and(x, y) (x & y)
#define BINARY_or(x, y) (x | y)
#define BINARY_xor(x, y) (x ^ y)

__kernel void binary(TENSOR(const IN, a), TENSOR(const IN, b), TENSOR(OUT, dst), ROW_ARGS) {
    BIND_CONST(IN, a);
    BIND_CONST(IN, b);
    BIND(OUT, dst);
    EACH_ROW(j) {
        FIND_ROW(j, ROW_MOVE_TWO)
        EACH(i, inner) {
            const OF(IN) x = OPERAND(IN, a + first, steps.s0, i, LEFT(i)), y = OPERAND(IN, b + second, steps.s1, i, LEFT(i));
            STORE_FIRST(OUT, BINARY(x, y), dst + (long)j * inner + i, LEFT(i));
        }
    }
}
#endif

#ifdef CLIP
// Limits may be absent; where the minimum is above the maximum, the maximum wins.
__kernel void clip(TENSOR(const IN, src), TENSOR(const IN, low), TENSOR(const IN, high), TENSOR(IN, dst), const int count, const int has_low, const int has_high) {
    BIND_CONST(IN, src);
    BIND_CONST(IN, low);
    BIND_CONST(IN, high);
    BIND(IN, dst);
    EACH(i, count) {
        OF(IN) x = LOAD_FIRST(IN, src + i, LEFT(i), 0);
        if (has_low) x = x < low[0] ? (OF(IN))(low[0]) : x;
        if (has_high) x = x > high[0] ? (OF(IN))(high[0]) : x;
        STORE_FIRST(IN, x, dst + i, LEFT(i));
    }
}
#endif
