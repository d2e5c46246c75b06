// Rows of a tensor, each folded into few numbers by a whole work-group, the number of whose items is a power of two: for devices whose items are the lanes of
// vectors. rows.cl has an item to a row.

// Folds what the items of a work-group have; every item gets the result. shared has room for one float per item.
#define GROUP_FOLD(name, JOINED)                                                                                                             \
    float name(float own, __local float* shared) {                                                                                           \
        int i = get_local_id(0);                                                                                                             \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                                        \
        shared[i] = own;                                                                                                                     \
        for (int width = get_local_size(0) / 2; width > 0; width /= 2) {                                                                     \
            barrier(CLK_LOCAL_MEM_FENCE);                                                                                                    \
            if (i < width) {                                                                                                                 \
                float x = shared[i], y = shared[i + width];                                                                                  \
                shared[i] = JOINED(x, y);                                                                                                    \
            }                                                                                                                                \
        }                                                                                                                                    \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                                        \
        return shared[0];                                                                                                                    \
    }

GROUP_FOLD(group_sum, PLUS)
GROUP_FOLD(group_largest, LARGER)

#if defined(KIND)
GROUP_FOLD(group_all, JOIN)

__kernel void reduce_groups(TENSOR(const float, src), TENSOR(float, dst), const int count, __local float* shared) {
    BIND_CONST(float, src);
    BIND(float, dst);
    int row = get_group_id(0), lane = get_local_id(0), lanes = get_local_size(0);
    float y = START;
    for (int i = lane; i < count; i += lanes) {
        float x = src[row * count + i], mapped = MAPPED(x);
        y = JOIN(y, mapped);
    }
    y = group_all(y, shared);
    if (lane == 0) dst[row] = FINISHED(y, count);
}

#elif defined(T)
// Position of the extreme element of [outer, count, inner] along the middle: of equal ones the first, or the last; a NaN is the extreme.
__kernel void arg_extreme(TENSOR(const T, src), TENSOR(long, dst), const int outer, const int count, const int inner,
                          const int largest, const int last) {
    BIND_CONST(T, src);
    BIND(long, dst);
    int column = get_global_id(0), row = get_global_id(1), position = 0;
    if (column >= inner || row >= outer) return;
    src += row * count * inner + column;
    T best = src[0];
    for (int i = 1; i < count; i++) {
        T x = src[i * inner];
        if ((largest ? x > best : x < best) || (last && x == best) || (x != x && best == best)) best = x, position = i;
    }
    dst[row * inner + column] = position;
}

#else
__kernel void softmax_groups(TENSOR(const float, src), TENSOR(float, dst), const int count, const int logarithm, __local float* shared) {
    BIND_CONST(float, src);
    BIND(float, dst);
    int first = get_group_id(0) * count, lane = get_local_id(0), lanes = get_local_size(0);
    float largest = -INFINITY;
    for (int i = lane; i < count; i += lanes) largest = LARGER(largest, src[first + i]);
    largest = group_largest(largest, shared);
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

// Scores of attention [batch, heads, queries, keys] become probabilities in place. A query sees the keys of its window, from begin to end, that the mask lets through.
// mask_kind: 0 none, 1 added, 2 a byte per key, whose score becomes hidden where it is 0; mask_strides: batch, head, query, and how many keys the mask has;
// mask_items: the batch items after which the mask begins anew. A head's scores are multiplied by its factor before, and, where key_heads is not 0, by those of
// their query and of their key. The scores of rows in front of first_row are not there.
__kernel void attend_groups(TENSOR(float, scores), TENSOR(const char, mask), TENSOR(const long, lengths), TENSOR(const float, factors), TENSOR(const float, query_factors),
                            TENSOR(const float, key_factors), const int heads, const int key_heads,
                            const int queries, const int keys, const float cap, const int mask_kind, const int4 mask_strides, const int mask_items,
                            const float hidden, const int has_lengths, const int has_factors, const int left, const int right, const int first_row, __local float* shared) {
    BIND(float, scores);
    BIND_CONST(char, mask);
    BIND_CONST(long, lengths);
    BIND_CONST(float, factors);
    BIND_CONST(float, query_factors);
    BIND_CONST(float, key_factors);
    int row = first_row + get_group_id(0), lane = get_local_id(0), lanes = get_local_size(0);
    int query = row % queries, head = row / queries % heads, image = row / queries / heads;
    long length = has_lengths ? lengths[image] : keys;
    long position = query + (has_lengths ? length - queries : 0);
    long begin = left >= 0 ? max(0L, position - left) : 0;
    long end = min(length, mask_kind ? (long)mask_strides.s3 : (long)keys);
    if (right >= 0) end = min(end, position + right + 1);
    scores += (long)get_group_id(0) * keys;
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
    largest = group_largest(largest, shared);
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
__kernel void normalize_groups(TENSOR(const float, src), TENSOR(const float, scale), TENSOR(const float, bias), TENSOR(const float, residual), TENSOR(float, dst),
                               TENSOR(float, means), TENSOR(float, deviations), const int count, const float epsilon, const int centered, const int2 has,
                               const int2 keeps, __local float* shared) {
    BIND_CONST(float, src);
    BIND_CONST(float, scale);
    BIND_CONST(float, bias);
    BIND_CONST(float, residual);
    BIND(float, dst);
    BIND(float, means);
    BIND(float, deviations);
    int row = get_group_id(0), first = row * count, lane = get_local_id(0), lanes = get_local_size(0);
    float mean = 0.0f;
    if (centered) mean = group_mean(src + first, count, shared);
    float inverse = group_inverse_deviation(src + first, count, mean, epsilon, shared);
    for (int i = lane; i < count; i += lanes) dst[first + i] = (src[first + i] - mean) * inverse * scale[i] + (has.s0 ? bias[i] : 0.0f) + (has.s1 ? residual[first + i] : 0.0f);
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
#endif
