// Elements and weighted sums of elements, taken where tables of positions say.

// dst[.., j, i] = src[.. + b[j] + a[i]]. The tables lie one behind another: that of the last axis, which has inner entries, then for each of the other axes, the last of
// them first, its length and its entries. A position below 0 in any of them takes the fill.
#define PLACE(T)                                                                                                                             \
    __kernel void place_##T(TENSOR(const T, src), TENSOR(const int, tables), TENSOR(const T, fill), TENSOR(T, dst), const int inner,         \
                            const int rows, const int axes) {                                                                                \
        BIND_CONST(T, src);                                                                                                                  \
        BIND_CONST(int, tables);                                                                                                             \
        BIND_CONST(T, fill);                                                                                                                 \
        BIND(T, dst);                                                                                                                        \
        int i = get_global_id(0), j = get_global_id(1);                                                                                      \
        if (i >= inner || j >= rows) return;                                                                                                 \
        int at = tables[i], rest = j, outside = at < 0;                                                                                      \
        tables += inner;                                                                                                                     \
        for (int axis = 0; axis < axes; axis++) {                                                                                            \
            int length = tables[0], step = tables[1 + rest % length];                                                                        \
            outside |= step < 0;                                                                                                             \
            at += step;                                                                                                                      \
            tables += 1 + length;                                                                                                            \
            rest /= length;                                                                                                                  \
        }                                                                                                                                    \
        dst[j * inner + i] = outside ? fill[0] : src[at];                                                                                    \
    }

PLACE(uchar)
PLACE(ushort)
PLACE(uint)
PLACE(ulong)

// The middle axis of [outer, length_in, inner] resampled: dst[o] = bias[o] + the sum over k of weights[o, k] * src[indices[o, k]]. indices, weights and bias are tables
// of taps, taps and 1 entries for each of the length results.
__kernel void resample(TENSOR(const float, src), TENSOR(const int, indices), TENSOR(const float, weights), TENSOR(const float, bias), TENSOR(float, dst),
                       const int outer, const int length_in, const int length, const int inner, const int taps) {
    BIND_CONST(float, src);
    BIND_CONST(int, indices);
    BIND_CONST(float, weights);
    BIND_CONST(float, bias);
    BIND(float, dst);
    int i = get_global_id(0), plane = get_global_id(1);
    if (i >= length * inner || plane >= outer) return;
    int o = i / inner;
    src += plane * length_in * inner + i % inner;
    float sum = bias[o];
    for (int k = o * taps; k < (o + 1) * taps; k++) sum = mad(weights[k], src[indices[k] * inner], sum);
    dst[plane * length * inner + i] = sum;
}
