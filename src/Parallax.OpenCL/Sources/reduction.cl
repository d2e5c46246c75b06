// Rows of a tensor, each folded into few numbers. A whole work-group shares a row, and the number of its items is a power of two; short or strided rows have an item each.

// Folds what the items of a work-group have; every item gets the result. shared has room for one float per item.
#define GROUP_FOLD(name, JOIN)                                                                                                               \
    float name(float own, __local float* shared) {                                                                                           \
        int i = get_local_id(0);                                                                                                             \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                                        \
        shared[i] = own;                                                                                                                     \
        for (int width = get_local_size(0) / 2; width > 0; width /= 2) {                                                                     \
            barrier(CLK_LOCAL_MEM_FENCE);                                                                                                    \
            if (i < width) {                                                                                                                 \
                float x = shared[i], y = shared[i + width];                                                                                  \
                shared[i] = JOIN(x, y);                                                                                                      \
            }                                                                                                                                \
        }                                                                                                                                    \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                                        \
        return shared[0];                                                                                                                    \
    }

#define PLUS(x, y) ((x) + (y))
#define TIMES(x, y) ((x) * (y))
#define LARGER(x, y) ((x) != (x) || (x) > (y) ? (x) : (y))
#define SMALLER(x, y) ((x) != (x) || (x) < (y) ? (x) : (y))

GROUP_FOLD(group_sum, PLUS)
GROUP_FOLD(group_product, TIMES)
GROUP_FOLD(group_max, LARGER)
GROUP_FOLD(group_min, SMALLER)

__kernel void softmax_groups(TENSOR(const float, src), TENSOR(float, dst), const int count, const int logarithm, __local float* shared) {
    BIND_CONST(float, src);
    BIND(float, dst);
    int first = get_group_id(0) * count, lane = get_local_id(0), lanes = get_local_size(0);
    float largest = -INFINITY;
    for (int i = lane; i < count; i += lanes) largest = LARGER(largest, src[first + i]);
    largest = group_max(largest, shared);
    float sum = 0.0f;
    for (int i = lane; i < count; i += lanes) {
        float x = exp(src[first + i] - largest);
        if (!logarithm) dst[first + i] = x;
        sum += x;
    }
    sum = group_sum(sum, shared);
    if (logarithm) {
        float shift = log(sum);
        for (int i = lane; i < count; i += lanes) dst[first + i] = src[first + i] - largest - shift;
    } else {
        float factor = 1.0f / sum;
        for (int i = lane; i < count; i += lanes) dst[first + i] *= factor;
    }
}

// Rows of [outer, count, inner] along the middle.
__kernel void softmax_items(TENSOR(const float, src), TENSOR(float, dst), const int outer, const int count, const int inner, const int logarithm) {
    BIND_CONST(float, src);
    BIND(float, dst);
    int column = get_global_id(0), row = get_global_id(1);
    if (column >= inner || row >= outer) return;
    int first = row * count * inner + column;
    float largest = -INFINITY, sum = 0.0f;
    for (int i = 0; i < count; i++) largest = LARGER(largest, src[first + i * inner]);
    for (int i = 0; i < count; i++) sum += exp(src[first + i * inner] - largest);
    float shift = log(sum), factor = 1.0f / sum;
    for (int i = 0; i < count; i++) {
        float x = src[first + i * inner] - largest;
        dst[first + i * inner] = logarithm ? x - shift : exp(x) * factor;
    }
}

// One over the larger of each row's length and a least one: rows of [batch, heads, rows], size elements each. strides: batch, head, row, and that size.
__kernel void inverse_lengths(TENSOR(const float, src), TENSOR(float, dst), const int count, const int heads, const int rows, const int4 strides, const float least) {
    BIND_CONST(float, src);
    BIND(float, dst);
    int i = get_global_id(0);
    if (i >= count) return;
    long first = (long)(i / rows / heads) * strides.s0 + (long)(i / rows % heads) * strides.s1 + (long)(i % rows) * strides.s2;
    float sum = 0.0f;
    for (int k = 0; k < strides.s3; k++) sum += src[first + k] * src[first + k];
    dst[i] = 1.0f / fmax(sqrt(sum), least);
}

// Scores of attention [batch, heads, queries, keys] become probabilities in place. A query sees the keys of its window, from begin to end, that the mask lets through.
// mask_kind: 0 none, 1 added, 2 a byte per key, whose score becomes hidden where it is 0; mask_strides: batch, head, query, and how many keys the mask has;
// mask_items: the batch items after which the mask begins anew. A head's scores are multiplied by its factor before, and, where key_heads is not 0, by those of
// their query and of their key.
__kernel void attend_groups(TENSOR(float, scores), TENSOR(const char, mask), TENSOR(const long, lengths), TENSOR(const float, factors), TENSOR(const float, query_factors),
                            TENSOR(const float, key_factors), const int heads, const int key_heads,
                            const int queries, const int keys, const float cap, const int mask_kind, const int4 mask_strides, const int mask_items,
                            const float hidden, const int has_lengths, const int has_factors, const int left, const int right, __local float* shared) {
    BIND(float, scores);
    BIND_CONST(char, mask);
    BIND_CONST(long, lengths);
    BIND_CONST(float, factors);
    BIND_CONST(float, query_factors);
    BIND_CONST(float, key_factors);
    int row = get_group_id(0), lane = get_local_id(0), lanes = get_local_size(0);
    int query = row % queries, head = row / queries % heads, image = row / queries / heads;
    long length = has_lengths ? lengths[image] : keys;
    long position = query + (has_lengths ? length - queries : 0);
    long begin = left >= 0 ? max(0L, position - left) : 0;
    long end = min(length, mask_kind ? (long)mask_strides.s3 : (long)keys);
    if (right >= 0) end = min(end, position + right + 1);
    scores += (long)row * keys;
    float scale = (has_factors ? factors[head] : 1.0f) * (key_heads ? query_factors[row] : 1.0f);
    long first_key = key_heads ? ((long)image * key_heads + head / (heads / key_heads)) * keys : 0;
    long at = (long)(image % mask_items) * mask_strides.s0 + (long)head * mask_strides.s1 + (long)query * mask_strides.s2;
    float largest = -INFINITY;
    for (int i = lane; i < keys; i += lanes) {
        float x = -INFINITY;
        if (i >= begin && i < end) {
            float shift = mask_kind == 1 ? ((__global const float*)mask)[at + i] : 0.0f;
            x = scores[i] * (key_heads ? scale * key_factors[first_key + i] : scale);
            x = cap > 0.0f ? cap * tanh(x / cap) : x;
            x = mask_kind == 2 && mask[at + i] == 0 ? hidden : shift == -INFINITY ? shift : x + shift;
        }
        scores[i] = x;
        largest = fmax(largest, x);
    }
    largest = group_max(largest, shared);
    float sum = 0.0f;
    for (int i = lane; i < keys; i += lanes) {
        float x = largest == -INFINITY ? 0.0f : exp(scores[i] - largest);
        scores[i] = x;
        sum += x;
    }
    sum = group_sum(sum, shared);
    float factor = largest == -INFINITY ? 0.0f : 1.0f / sum;
    for (int i = lane; i < keys; i += lanes) scores[i] *= factor;
}

float group_mean(__global const float* row, int count, __local float* shared) {
    float sum = 0.0f;
    for (int i = get_local_id(0); i < count; i += get_local_size(0)) sum += row[i];
    return group_sum(sum, shared) / count;
}

float group_inverse_deviation(__global const float* row, int count, float mean, float epsilon, __local float* shared) {
    float squares = 0.0f;
    for (int i = get_local_id(0); i < count; i += get_local_size(0)) {
        float x = row[i] - mean;
        squares += x * x;
    }
    return 1.0f / sqrt(group_sum(squares, shared) / count + epsilon);
}

// Minus the mean (where centered), over the root of the variance. Scale and bias have an element for each one of a row.
__kernel void normalize_groups(TENSOR(const float, src), TENSOR(const float, scale), TENSOR(const float, bias), TENSOR(float, dst), TENSOR(float, means),
                               TENSOR(float, deviations), const int count, const float epsilon, const int centered, const int has_bias, const int2 keeps,
                               __local float* shared) {
    BIND_CONST(float, src);
    BIND_CONST(float, scale);
    BIND_CONST(float, bias);
    BIND(float, dst);
    BIND(float, means);
    BIND(float, deviations);
    int row = get_group_id(0), first = row * count, lane = get_local_id(0), lanes = get_local_size(0);
    float mean = 0.0f;
    if (centered) mean = group_mean(src + first, count, shared);
    float inverse = group_inverse_deviation(src + first, count, mean, epsilon, shared);
    for (int i = lane; i < count; i += lanes) dst[first + i] = (src[first + i] - mean) * inverse * scale[i] + (has_bias ? bias[i] : 0.0f);
    if (lane == 0 && keeps.s0) means[row] = mean;
    if (lane == 0 && keeps.s1) deviations[row] = inverse;
}

// Minus the mean, over the root of the variance. Row r begins with scale and bias number r % period * step, and goes on to the next ones after each run of elements.
__kernel void normalize_channels_groups(TENSOR(const float, src), TENSOR(const float, scale), TENSOR(const float, bias), TENSOR(float, dst), const int count,
                                        const float epsilon, const int period, const int step, const int run, __local float* shared) {
    BIND_CONST(float, src);
    BIND_CONST(float, scale);
    BIND_CONST(float, bias);
    BIND(float, dst);
    int row = get_group_id(0), first = row * count, affine = row % period * step, lane = get_local_id(0), lanes = get_local_size(0);
    float mean = group_mean(src + first, count, shared);
    float inverse = group_inverse_deviation(src + first, count, mean, epsilon, shared);
    for (int i = lane; i < count; i += lanes) {
        int channel = affine + i / run;
        dst[first + i] = (src[first + i] - mean) * inverse * scale[channel] + bias[channel];
    }
}

// Position of the extreme element of [outer, count, inner] along the middle: of equal ones the first, or the last; a NaN is the extreme.
#define ARG_EXTREME(T)                                                                                                                       \
    __kernel void arg_extreme_##T(TENSOR(const T, src), TENSOR(long, dst), const int outer, const int count, const int inner,                \
                                  const int largest, const int last) {                                                                       \
        BIND_CONST(T, src);                                                                                                                  \
        BIND(long, dst);                                                                                                                     \
        int column = get_global_id(0), row = get_global_id(1), position = 0;                                                                 \
        if (column >= inner || row >= outer) return;                                                                                         \
        src += row * count * inner + column;                                                                                                 \
        T best = src[0];                                                                                                                     \
        for (int i = 1; i < count; i++) {                                                                                                    \
            T x = src[i * inner];                                                                                                            \
            if ((largest ? x > best : x < best) || (last && x == best) || (x != x && best == best)) best = x, position = i;                  \
        }                                                                                                                                    \
        dst[row * inner + column] = position;                                                                                                \
    }

ARG_EXTREME(float)
ARG_EXTREME(int)
ARG_EXTREME(long)

// Rows of [outer, count, inner] along the middle, each element mapped (x), joined with those before, and the whole (y) finished.
#define REDUCE(name, JOIN, group_join, start, mapped, finished)                                                                              \
    __kernel void reduce_##name##_groups(TENSOR(const float, src), TENSOR(float, dst), const int count, __local float* shared) {             \
        BIND_CONST(float, src);                                                                                                              \
        BIND(float, dst);                                                                                                                    \
        int row = get_group_id(0), lane = get_local_id(0), lanes = get_local_size(0);                                                        \
        float y = start;                                                                                                                     \
        for (int i = lane; i < count; i += lanes) {                                                                                          \
            float x = src[row * count + i];                                                                                                  \
            y = JOIN(y, mapped);                                                                                                             \
        }                                                                                                                                    \
        y = group_join(y, shared);                                                                                                           \
        if (lane == 0) dst[row] = finished;                                                                                                  \
    }                                                                                                                                        \
    __kernel void reduce_##name##_items(TENSOR(const float, src), TENSOR(float, dst), const int outer, const int count, const int inner) {   \
        BIND_CONST(float, src);                                                                                                              \
        BIND(float, dst);                                                                                                                    \
        int column = get_global_id(0), row = get_global_id(1);                                                                               \
        if (column >= inner || row >= outer) return;                                                                                         \
        float y = start;                                                                                                                     \
        for (int i = 0; i < count; i++) {                                                                                                    \
            float x = src[(row * count + i) * inner + column];                                                                               \
            y = JOIN(y, mapped);                                                                                                             \
        }                                                                                                                                    \
        dst[row * inner + column] = finished;                                                                                                \
    }

REDUCE(sum, PLUS, group_sum, 0.0f, x, y)
REDUCE(mean, PLUS, group_sum, 0.0f, x, y / count)
REDUCE(max, LARGER, group_max, -INFINITY, x, y)
REDUCE(min, SMALLER, group_min, INFINITY, x, y)
REDUCE(prod, TIMES, group_product, 1.0f, x, y)
REDUCE(l1, PLUS, group_sum, 0.0f, fabs(x), y)
REDUCE(l2, PLUS, group_sum, 0.0f, x * x, sqrt(y))
REDUCE(logsum, PLUS, group_sum, 0.0f, x, log(y))
REDUCE(sumsquare, PLUS, group_sum, 0.0f, x * x, y)
