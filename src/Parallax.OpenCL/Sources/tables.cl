// Elements and weighted sums of elements, taken where tables of positions say. One item computes a chunk of a row.

// Elements of type T, an option: dst[.., j, i] = src[.. + b[j] + a[i]]. The tables lie one behind another: that of the last axis, which has inner entries, then for each
// of the other axes, the last of them first, its length and its entries. A position below 0 in any of them takes the fill; last says whether there are
// any in the last axis (0), or none (1), or every element from the first position on is taken twice (2).
#ifdef T
__kernel void place(TENSOR(const T, src), TENSOR(const int, tables), TENSOR(const T, fill), TENSOR(T, dst), const int inner,
                    const int rows, const int axes, const int last) {
    BIND_CONST(T, src);
    BIND_CONST(int, tables);
    BIND_CONST(T, fill);
    BIND(T, dst);
    const long begin = (long)get_global_id(0) * CHUNK, end = min(begin + CHUNK, (long)inner);
    const T filler = fill[0];
    long before = -1;
    EACH_RUN(j) {
        __global const int* table = tables + inner;
        long first = 0;
        int rest = j, outside = 0;
        for (int axis = 0; axis < axes; axis++) {
            const int length = table[0], step = table[1 + (axis + 1 < axes ? rest % length : rest)];
            outside |= step < 0;
            first += step;
            table += 1 + length;
            if (axis + 1 < axes) rest /= length;
        }
        __global T* row = dst + (long)j * inner;
        if (outside) {
            for (long i = begin; i < end; i++) row[i] = filler;
        } else if (first == before) {
            for (long i = begin; i < end; i += LANES) STORE_FIRST(T, LOAD_FIRST(T, row - inner + i, end - i, filler), row + i, end - i);
        }
#if LANES > 1
        else if (last == 2) {
            long i = begin;
            for (; i + LANES <= end; i += LANES) {
                OF(T) x;
                x.even = x.odd = VECTOR(vload, HALF)(0, src + first + tables[0] + i / 2);
                STORE(x, row + i);
            }
            for (; i < end; i++) row[i] = src[first + tables[i]];
        }
#endif
        else if (last) {
            for (long i = begin; i < end; i++) row[i] = src[first + tables[i]];
        } else {
            for (long i = begin; i < end; i++) row[i] = tables[i] < 0 ? filler : src[first + tables[i]];
        }
        before = outside ? -1 : first;
    }
}
#endif

// The middle axis of [outer, length_in, inner] resampled: dst[o] = bias[o] + the sum over k of weights[o, k] * src[indices[o, k]]. indices, weights and bias are tables
// of taps, taps and 1 entries for each of the length results.
__kernel void resample(TENSOR(const float, src), TENSOR(const int, indices), TENSOR(const float, weights), TENSOR(const float, bias), TENSOR(float, dst),
                       const int outer, const int length_in, const int length, const int inner, const int taps) {
    BIND_CONST(float, src);
    BIND_CONST(int, indices);
    BIND_CONST(float, weights);
    BIND_CONST(float, bias);
    BIND(float, dst);
    const int o = get_global_id(1), plane = get_global_id(2);
    if (o >= length || plane >= outer) return;
    src += (long)plane * length_in * inner;
    dst += ((long)plane * length + o) * inner;
    weights += o * taps;
    indices += o * taps;
    EACH(i, inner) {
        FLOATS sum = SPLAT(bias[o]);
        for (int k = 0; k < taps; k++) sum = MULTIPLY_ADD(SPLAT(weights[k]), LOAD_FIRST(float, src + (long)indices[k] * inner + i, LEFT(i), 0.0f), sum);
        STORE_FIRST(float, sum, dst + i, LEFT(i));
    }
}

// The same along the last axis: inner is 1.
__kernel void resample_last(TENSOR(const float, src), TENSOR(const int, indices), TENSOR(const float, weights), TENSOR(const float, bias), TENSOR(float, dst),
                            const int outer, const int length_in, const int length, const int taps) {
    BIND_CONST(float, src);
    BIND_CONST(int, indices);
    BIND_CONST(float, weights);
    BIND_CONST(float, bias);
    BIND(float, dst);
    const int plane = get_global_id(1);
    if (plane >= outer) return;
    src += (long)plane * length_in;
    dst += (long)plane * length;
    const long begin = (long)get_global_id(0) * CHUNK, end = min(begin + CHUNK, (long)length);
    if (taps == 2) {
        for (long o = begin; o < end; o++)
            dst[o] = MULTIPLY_ADD(weights[2 * o + 1], src[indices[2 * o + 1]], MULTIPLY_ADD(weights[2 * o], src[indices[2 * o]], bias[o]));
        return;
    }
    for (long o = begin; o < end; o++) {
        float sum = bias[o];
        for (long k = o * taps; k < (o + 1) * taps; k++) sum = MULTIPLY_ADD(weights[k], src[indices[k]], sum);
        dst[o] = sum;
    }
}
