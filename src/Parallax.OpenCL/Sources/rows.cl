// Rows of a tensor, each folded into few numbers, with an item to a row, or to a vector of neighbouring columns. Nothing waits for other items.

// Folds the lanes of a vector.
#define FOLD_LANES(name, JOINED)                                                                                                             \
    inline float name(const FLOATS values) {                                                                                                 \
        float part[LANES];                                                                                                                   \
        STORE(values, part);                                                                                                                 \
        for (int width = LANES / 2; width > 0; width /= 2)                                                                                   \
            for (int lane = 0; lane < width; lane++) part[lane] = JOINED(part[lane], part[lane + width]);                                    \
        return part[0];                                                                                                                      \
    }

FOLD_LANES(fold_sum, PLUS)
FOLD_LANES(fold_largest, LARGER)

#ifndef KIND
__kernel void softmax_rows(TENSOR(const float, src), TENSOR(float, dst), const int count, const int logarithm, const int rows) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const int row = get_global_id(0);
    if (row >= rows) return;
    src += (long)row * count;
    dst += (long)row * count;
    FLOATS most = SPLAT(-INFINITY), sums = SPLAT(0.0f);
    for (long i = 0; i < count; i += LANES) {
        const FLOATS x = LOAD_FIRST(float, src + i, count - i, -INFINITY);
        most = LARGER(most, x);
    }
    const float largest = fold_largest(most);
    for (long i = 0; i < count; i += LANES) {
        const FLOATS x = EXP_OR_ZERO(LOAD_FIRST(float, src + i, count - i, -INFINITY) - largest);
        if (!logarithm) STORE_FIRST(float, x, dst + i, count - i);
        sums += x;
    }
    const float sum = fold_sum(sums), shift = largest + log(sum), factor = 1.0f / sum;
    for (long i = 0; i < count; i += LANES) {
        const FLOATS x = logarithm ? LOAD_FIRST(float, src + i, count - i, 0.0f) - shift : LOAD_FIRST(float, dst + i, count - i, 0.0f) * factor;
        STORE_FIRST(float, x, dst + i, count - i);
    }
}

// [outer, count, inner] along the middle.
__kernel void softmax_columns(TENSOR(const float, src), TENSOR(float, dst), const int outer, const int count, const int inner, const int logarithm) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const long column = (long)get_global_id(0) * LANES, row = get_global_id(1), left = inner - column;
    if (left <= 0 || row >= outer) return;
    src += row * count * inner + column;
    dst += row * count * inner + column;
    FLOATS largest = SPLAT(-INFINITY), sum = SPLAT(0.0f);
    for (long i = 0; i < count; i++) {
        const FLOATS x = LOAD_FIRST(float, src + i * inner, left, 0.0f);
        largest = LARGER(largest, x);
    }
    for (long i = 0; i < count; i++) {
        const FLOATS x = EXP_OR_ZERO(LOAD_FIRST(float, src + i * inner, left, 0.0f) - largest);
        if (!logarithm) STORE_FIRST(float, x, dst + i * inner, left);
        sum += x;
    }
    const FLOATS shift = largest + log(sum), factor = 1.0f / sum;
    for (long i = 0; i < count; i++) {
        const FLOATS x = logarithm ? LOAD_FIRST(float, src + i * inner, left, 0.0f) - shift : LOAD_FIRST(float, dst + i * inner, left, 0.0f) * factor;
        STORE_FIRST(float, x, dst + i * inner, left);
    }
}

// One over the larger of each row's length and a least one: rows of [batch, heads, rows], size elements each. strides: batch, head, row, and that size.
__kernel void inverse_lengths(TENSOR(const float, src), TENSOR(float, dst), const int count, const int heads, const int rows, const int4 strides, const float least) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const int i = get_global_id(0);
    if (i >= count) return;
    src += (long)(i / rows / heads) * strides.s0 + (long)(i / rows % heads) * strides.s1 + (long)(i % rows) * strides.s2;
    FLOATS sums = SPLAT(0.0f);
    for (long k = 0; k < strides.s3; k += LANES) {
        const FLOATS x = LOAD_FIRST(float, src + k, strides.s3 - k, 0.0f);
        sums = MULTIPLY_ADD(x, x, sums);
    }
    dst[i] = 1.0f / fmax(sqrt(fold_sum(sums)), least);
}

// attend_groups of reduction.cl.
__kernel void attend_rows(TENSOR(float, scores), TENSOR(const char, mask), TENSOR(const long, lengths), TENSOR(const float, factors), TENSOR(const float, query_factors),
                          TENSOR(const float, key_factors), const int heads, const int key_heads,
                          const int queries, const int keys, const float cap, const int mask_kind, const int4 mask_strides, const int mask_items,
                          const float hidden, const int has_lengths, const int has_factors, const int left, const int right, const int first_row, const int rows) {
    BIND(float, scores);
    BIND_CONST(char, mask);
    BIND_CONST(long, lengths);
    BIND_CONST(float, factors);
    BIND_CONST(float, query_factors);
    BIND_CONST(float, key_factors);
    if (get_global_id(0) >= rows) return;
    const int row = first_row + get_global_id(0), query = row % queries, head = row / queries % heads, image = row / queries / heads;
    const long length = has_lengths ? lengths[image] : keys, position = query + (has_lengths ? length - queries : 0);
    long end = min(length, mask_kind ? (long)mask_strides.s3 : (long)keys);
    if (right >= 0) end = min(end, position + right + 1);
    end = clamp(end, 0L, (long)keys);
    const long begin = left >= 0 ? clamp(position - left, 0L, end) : 0;
    scores += (long)get_global_id(0) * keys;
    key_factors += key_heads ? ((long)image * key_heads + head / (heads / key_heads)) * keys : 0;
    const long at = (long)(image % mask_items) * mask_strides.s0 + (long)head * mask_strides.s1 + (long)query * mask_strides.s2;
    __global const float* added = (__global const float*)mask + at;
    mask += at;
    const float scale = (has_factors ? factors[head] : 1.0f) * (key_heads ? query_factors[row] : 1.0f);
    const int as_they_are = mask_kind == 0 && cap <= 0.0f && !key_heads && scale == 1.0f;
    FLOATS most = SPLAT(-INFINITY), sums = SPLAT(0.0f);
    for (long i = begin; i < end; i += LANES) {
        FLOATS x = LOAD_FIRST(float, scores + i, end - i, -INFINITY);
        if (!as_they_are) {
            x *= scale;
            if (key_heads) x *= LOAD_FIRST(float, key_factors + i, end - i, 1.0f);
            if (cap > 0.0f) x = cap * TANH(x / cap);
            if (mask_kind == 1) {
                const FLOATS shift = LOAD_FIRST(float, added + i, end - i, -INFINITY);
                x = shift == -INFINITY ? shift : x + shift;
            }
            if (mask_kind == 2) x = CONVERTED(int, LOAD_FIRST(char, mask + i, end - i, 0)) == 0 ? SPLAT(hidden) : x;
            STORE_FIRST(float, x, scores + i, end - i);
            // What lies behind the end was read as minus infinity, which need not have lasted.
            x = LOAD_FIRST(float, scores + i, end - i, -INFINITY);
        }
        most = most > x ? most : x;
    }
    const float largest = fold_largest(most);
    if (largest == -INFINITY) {
        for (long i = 0; i < keys; i += LANES) STORE_FIRST(float, SPLAT(0.0f), scores + i, keys - i);
        return;
    }
    for (long i = begin; i < end; i += LANES) {
        const FLOATS x = EXP_OR_ZERO(LOAD_FIRST(float, scores + i, end - i, -INFINITY) - largest);
        STORE_FIRST(float, x, scores + i, end - i);
        sums += x;
    }
    const float factor = 1.0f / fold_sum(sums);
    for (long i = 0; i < begin; i += LANES) STORE_FIRST(float, SPLAT(0.0f), scores + i, begin - i);
    for (long i = begin; i < end; i += LANES) STORE_FIRST(float, LOAD_FIRST(float, scores + i, end - i, 0.0f) * factor, scores + i, end - i);
    for (long i = end; i < keys; i += LANES) STORE_FIRST(float, SPLAT(0.0f), scores + i, keys - i);
}

inline float row_mean(__global const float* row, const int count) {
    FLOATS sums = SPLAT(0.0f);
    for (long i = 0; i < count; i += LANES) sums += LOAD_FIRST(float, row + i, count - i, 0.0f);
    return fold_sum(sums) / count;
}

inline float row_inverse_deviation(__global const float* row, const int count, const float mean, const float epsilon) {
    FLOATS squares = SPLAT(0.0f);
    for (long i = 0; i < count; i += LANES) {
        const FLOATS x = LOAD_FIRST(float, row + i, count - i, mean) - mean;
        squares = MULTIPLY_ADD(x, x, squares);
    }
    return 1.0f / sqrt(fold_sum(squares) / count + epsilon);
}

// normalize_groups of reduction.cl.
__kernel void normalize_rows(TENSOR(const float, src), TENSOR(const float, scale), TENSOR(const float, bias), TENSOR(const float, residual), TENSOR(float, dst),
                             TENSOR(float, means), TENSOR(float, deviations), const int count, const float epsilon, const int centered, const int2 has,
                             const int2 keeps, const int rows) {
    BIND_CONST(float, src);
    BIND_CONST(float, scale);
    BIND_CONST(float, bias);
    BIND_CONST(float, residual);
    BIND(float, dst);
    BIND(float, means);
    BIND(float, deviations);
    const int row = get_global_id(0);
    if (row >= rows) return;
    src += (long)row * count;
    dst += (long)row * count;
    residual += (long)row * count;
    const float mean = centered ? row_mean(src, count) : 0.0f, inverse = row_inverse_deviation(src, count, mean, epsilon);
    for (long i = 0; i < count; i += LANES) {
        FLOATS x = (LOAD_FIRST(float, src + i, count - i, 0.0f) - mean) * inverse * LOAD_FIRST(float, scale + i, count - i, 0.0f);
        if (has.s0) x += LOAD_FIRST(float, bias + i, count - i, 0.0f);
        if (has.s1) x += LOAD_FIRST(float, residual + i, count - i, 0.0f);
        STORE_FIRST(float, x, dst + i, count - i);
    }
    if (keeps.s0) means[row] = mean;
    if (keeps.s1) deviations[row] = inverse;
}

// normalize_channels_groups of reduction.cl.
__kernel void normalize_channels_rows(TENSOR(const float, src), TENSOR(const float, scale), TENSOR(const float, bias), TENSOR(float, dst), const int count,
                                      const float epsilon, const int period, const int step, const int run, const int rows) {
    BIND_CONST(float, src);
    BIND_CONST(float, scale);
    BIND_CONST(float, bias);
    BIND(float, dst);
    const int row = get_global_id(0);
    if (row >= rows) return;
    src += (long)row * count;
    dst += (long)row * count;
    const float mean = row_mean(src, count), inverse = row_inverse_deviation(src, count, mean, epsilon);
    int channel = row % period * step;
    for (long begin = 0; begin < count; begin += run, channel++) {
        const long end = begin + run;
        for (long i = begin; i < end; i += LANES) {
            const FLOATS x = LOAD_FIRST(float, src + i, end - i, 0.0f);
            STORE_FIRST(float, (x - mean) * inverse * scale[channel] + bias[channel], dst + i, end - i);
        }
    }
}

// Planes [batch, channels, spatial] moved and scaled by numbers that each channel has.
__kernel void normalize_channels(TENSOR(const float, src), TENSOR(const float, scale), TENSOR(const float, bias), TENSOR(const float, mean),
                                 TENSOR(const float, variance), TENSOR(float, dst), const int spatial, const int planes, const int channels, const float epsilon) {
    BIND_CONST(float, src);
    BIND_CONST(float, scale);
    BIND_CONST(float, bias);
    BIND_CONST(float, mean);
    BIND_CONST(float, variance);
    BIND(float, dst);
    const int plane = get_global_id(1), channel = plane % channels;
    if (plane >= planes) return;
    src += (long)plane * spatial;
    dst += (long)plane * spatial;
    const float factor = scale[channel] / sqrt(variance[channel] + epsilon), shift = bias[channel] - mean[channel] * factor;
    EACH(i, spatial) {
        const FLOATS x = LOAD_FIRST(float, src + i, LEFT(i), 0);
        STORE_FIRST(float, x * factor + shift, dst + i, LEFT(i));
    }
}
#else
FOLD_LANES(fold_all, JOIN)

__kernel void reduce_rows(TENSOR(const float, src), TENSOR(float, dst), const int count, const int rows) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const int row = get_global_id(0);
    if (row >= rows) return;
    src += (long)row * count;
    FLOATS values = SPLAT(START);
    for (long i = 0; i < count; i += LANES) {
        const FLOATS x = LOAD_FIRST(float, src + i, count - i, START), mapped = MAPPED(x);
        values = JOIN(values, mapped);
    }
    const float y = fold_all(values);
    dst[row] = FINISHED(y, count);
}

// [outer, count, inner] along the middle.
__kernel void reduce_columns(TENSOR(const float, src), TENSOR(float, dst), const int outer, const int count, const int inner) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const long column = (long)get_global_id(0) * LANES, row = get_global_id(1), left = inner - column;
    if (left <= 0 || row >= outer) return;
    src += row * count * inner + column;
    FLOATS y = SPLAT(START);
    for (long i = 0; i < count; i++) {
        const FLOATS x = LOAD_FIRST(float, src + i * inner, left, START), mapped = MAPPED(x);
        y = JOIN(y, mapped);
    }
    STORE_FIRST(float, FINISHED(y, count), dst + row * inner + column, left);
}
#endif
