// What convolutions of 3x3 taps do around their products where these are of transformed tiles: F(4x4, 3x3) with points 0, +-sqrt(1/2), +-sqrt(2), infinity. Tiles of 4x4
// results lie row by row, images one behind another; behind each row is one more, of which no result is kept. So a row of tiles is 4 columns of each one behind another, and the
// next 2 columns that a tile sees begin the tile behind it. One item transforms LANES tiles of a channel.

#define SIDE 6
#define RESULTS 4
#define GROUP (RESULTS * LANES)

#define ROOT_HALF 0.70710678118654752f
#define ROOT_TWO 1.41421356237309505f

// The numbers of lanes, and the lanes one further on, behind the last of them a given one.
#if LANES == 1
#define NUMBERS 0
#define SHIFTED(x, last) (last)
#elif LANES == 4
#define NUMBERS (int4)(0, 1, 2, 3)
#define SHIFTED(x, last) (float4)((x).s123, last)
#elif LANES == 8
#define NUMBERS (int8)(0, 1, 2, 3, 4, 5, 6, 7)
#define SHIFTED(x, last) (float8)((x).s1234, (x).s567, last)
#else
#define NUMBERS (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define SHIFTED(x, last) (float16)((x).s12345678, (x).s9abc, (x).sdef, last)
#endif

// Vectors in scratch memory are aligned.
#define TILES(at) (*(__global FLOATS*)(at))
#define PRODUCTS(at) (*(__global const FLOATS*)(at))

// What an item brings into the cache for one that comes soon; prefetch does nothing in some implementations.
#if LANES > 1 && defined(__clang__)
#define FETCH(from) __builtin_prefetch((const void*)(ulong)(from))
#else
#define FETCH(from)
#endif

// Neighbouring tiles of one row, as far as the group of an item goes.
#define RUN_OF_TILES(lane, column, columns) (LANES == 1 ? 1 : min(LANES - (lane), (columns) - (column)))

// B' d.
inline void transform_input(FLOATS* d) {
    const FLOATS first = MULTIPLY_ADD(SPLAT(-2.5f), d[2], d[0] + d[4]), last = MULTIPLY_ADD(SPLAT(-2.5f), d[3], d[1] + d[5]);
    const FLOATS even_a = MULTIPLY_ADD(SPLAT(-2.0f), d[2], d[4]), odd_a = ROOT_HALF * MULTIPLY_ADD(SPLAT(-2.0f), d[1], d[3]);
    const FLOATS even_b = MULTIPLY_ADD(SPLAT(-0.5f), d[2], d[4]), odd_b = ROOT_TWO * MULTIPLY_ADD(SPLAT(-0.5f), d[1], d[3]);
    d[0] = first;
    d[1] = even_a + odd_a;
    d[2] = even_a - odd_a;
    d[3] = even_b + odd_b;
    d[4] = even_b - odd_b;
    d[5] = last;
}

// A' x.
inline void transform_result(const FLOATS* x, FLOATS* y) {
    const FLOATS even_a = x[1] + x[2], odd_a = x[1] - x[2], even_b = x[3] + x[4], odd_b = x[3] - x[4];
    y[0] = x[0] + (even_a + even_b);
    y[1] = MULTIPLY_ADD(SPLAT(ROOT_HALF), odd_a, ROOT_TWO * odd_b);
    y[2] = MULTIPLY_ADD(SPLAT(0.5f), even_a, even_b + even_b);
    y[3] = MULTIPLY_ADD(SPLAT(0.5f * ROOT_HALF), odd_a, MULTIPLY_ADD(SPLAT(2.0f * ROOT_TWO), odd_b, x[5]));
}

// Every fourth element, from the first, second, third and fourth on, and from the two behind those.
inline void load_columns(const float* from, FLOATS* d) {
#if LANES == 1
#pragma unroll
    for (int i = 0; i < SIDE; i++) d[i] = from[i];
#else
    const FLOATS v0 = LOAD(from), v1 = LOAD(from + LANES), v2 = LOAD(from + 2 * LANES), v3 = LOAD(from + 3 * LANES);
    const FLOATS even0 = (FLOATS)(v0.even, v1.even), even1 = (FLOATS)(v2.even, v3.even), odd0 = (FLOATS)(v0.odd, v1.odd), odd1 = (FLOATS)(v2.odd, v3.odd);
    d[0] = (FLOATS)(even0.even, even1.even);
    d[1] = (FLOATS)(odd0.even, odd1.even);
    d[2] = (FLOATS)(even0.odd, even1.odd);
    d[3] = (FLOATS)(odd0.odd, odd1.odd);
    d[4] = SHIFTED(d[0], from[GROUP]);
    d[5] = SHIFTED(d[1], from[GROUP + 1]);
#endif
}

// The reverse: four vectors become every fourth element.
inline void store_columns(const FLOATS* y, float* to) {
#if LANES == 1
#pragma unroll
    for (int i = 0; i < RESULTS; i++) to[i] = y[i];
#else
    FLOATS even0, even1, odd0, odd1, v;
    even0.even = y[0].lo, even0.odd = y[2].lo, even1.even = y[0].hi, even1.odd = y[2].hi;
    odd0.even = y[1].lo, odd0.odd = y[3].lo, odd1.even = y[1].hi, odd1.odd = y[3].hi;
    v.even = even0.lo, v.odd = odd0.lo;
    STORE(v, to);
    v.even = even0.hi, v.odd = odd0.hi;
    STORE(v, to + LANES);
    v.even = even1.lo, v.odd = odd1.lo;
    STORE(v, to + 2 * LANES);
    v.even = even1.hi, v.odd = odd1.hi;
    STORE(v, to + 3 * LANES);
#endif
}

// Of a tensor of so many elements those from number at on, 0 for those that are not inside of its image.
inline FLOATS load_inside(__global const float* src, const long at, const long elements, const OF(int) inside) {
#if LANES > 1
    if (at < 0 || at + LANES > elements) {
        float part[LANES];
        for (int lane = 0; lane < LANES; lane++) part[lane] = at + lane < 0 || at + lane >= elements ? 0.0f : src[at + lane];
        return inside ? LOAD(part) : SPLAT(0.0f);
    }
    return inside ? LOAD(src + at) : SPLAT(0.0f);
#else
    return inside ? src[at] : 0.0f;
#endif
}

// The tiles of an image [batch, channels, in], of which the planes begin plane elements apart, from tile first on, in the transformed domain: of each of their 36 elements a matrix of panels, [channels, width] each,
// of which the next begins matrix_elements behind. tiles: rows and columns of an image's tiles.
__kernel void winograd4_input(TENSOR(const float, src), TENSOR(float, dst), const int batch, const int channels, const int plane, const int2 in, const int2 pad, const int2 tiles,
                              const int first, const int count, const int width, const int matrix_elements) {
    BIND_CONST(float, src);
    BIND(float, dst);
    const int begin = get_global_id(0) * LANES, channel = get_global_id(1);
    if (begin >= count || channel >= channels) return;
    const long elements = ((long)channels * batch - 1) * plane + (long)in.s0 * in.s1;
    // The columns of the tiles side by side, with their first dimension transformed. What one run of tiles writes too much, the next one writes again.
    float rows[SIDE][GROUP + LANES + 1];
    FLOATS d[SIDE];
    for (int lane = 0, run; lane < LANES; lane += run) {
        const int tile = first + begin + lane, row = tile / tiles.s1, column = tile % tiles.s1, image = row / tiles.s0;
        run = RUN_OF_TILES(lane, column, tiles.s1);
        const int y = row % tiles.s0 * RESULTS - pad.s0, x = column * RESULTS - pad.s1;
        const long at = ((long)image * channels + channel) * plane + (long)y * in.s1 + x;
#if LANES == 1
#pragma unroll
#endif
        for (int c = 0; c < (LANES == 1 ? 1 : run) * RESULTS + SIDE - RESULTS; c += LANES) {
            const OF(int) columns = x + c + NUMBERS, inside = (columns >= 0) & (columns < in.s1);
#pragma unroll
            for (int i = 0; i < SIDE; i++) d[i] = image < batch && y + i >= 0 && y + i < in.s0 ? load_inside(src, at + (long)i * in.s1 + c, elements, inside) : SPLAT(0.0f);
            for (int i = 0; i < SIDE; i++) FETCH(src + at + plane + (long)i * in.s1 + c);
            transform_input(d);
#pragma unroll
            for (int i = 0; i < SIDE; i++) STORE(d[i], rows[i] + lane * RESULTS + c);
        }
    }
    dst += (long)(begin / width) * channels * width + (long)channel * width + begin % width;
#pragma unroll
    for (int i = 0; i < SIDE; i++) {
        load_columns(rows[i], d);
        transform_input(d);
#pragma unroll
        for (int j = 0; j < SIDE; j++) TILES(dst + (long)(i * SIDE + j) * matrix_elements) = d[j];
    }
}

// The results of count tiles from tile first on: of each of their 36 elements there is a matrix of products, a row of row_elements for each channel. channels are computed, of
// all_channels of the result, the planes of which begin plane elements apart.
__kernel void winograd4_output(TENSOR(const float, products), TENSOR(const float, bias), TENSOR(const float, residual), TENSOR(float, y), const int batch, const int channels,
                               const int all_channels, const int plane, const int2 out, const int2 tiles, const int first, const int count, const int row_elements, const int matrix_elements,
                               const int flags, ACTIVATION_ARGS) {
    BIND_CONST(float, products);
    BIND_CONST(float, bias);
    BIND_CONST(float, residual);
    BIND(float, y);
    const int begin = get_global_id(0) * LANES, channel = get_global_id(1);
    if (begin >= count || channel >= channels) return;
    products += (long)channel * row_elements + begin;
    FLOATS down[RESULTS][SIDE], x[SIDE], results[RESULTS];
#pragma unroll
    for (int j = 0; j < SIDE; j++) {
#pragma unroll
        for (int i = 0; i < SIDE; i++) x[i] = PRODUCTS(products + (long)(i * SIDE + j) * matrix_elements);
        transform_result(x, results);
#pragma unroll
        for (int i = 0; i < RESULTS; i++) down[i][j] = results[i];
    }
    float rows[RESULTS][GROUP];
#pragma unroll
    for (int i = 0; i < RESULTS; i++) {
        transform_result(down[i], results);
        store_columns(results, rows[i]);
    }
    const float term = flags & HAS_BIAS ? bias[channel] : 0.0f;
    for (int lane = 0, run; lane < LANES; lane += run) {
        const int tile = first + begin + lane, row = tile / tiles.s1, column = tile % tiles.s1, image = row / tiles.s0;
        run = RUN_OF_TILES(lane, column, tiles.s1);
        if (image >= batch) return;
        const int top = row % tiles.s0 * RESULTS, left = column * RESULTS, columns = min(run * RESULTS, out.s1 - left);
#if LANES == 1
#pragma unroll
#endif
        for (int i = 0; i < RESULTS; i++) {
            if (top + i >= out.s0) continue;
            const long to = ((long)image * all_channels + channel) * plane + (long)(top + i) * out.s1 + left;
#if LANES == 1
#pragma unroll
#endif
            for (int c = 0; c < GROUP; c += LANES) {
                if (c >= columns) continue;
                // The last vector begins with results of the one before, where there are enough.
                const int at = LANES == 1 || columns < LANES ? c : min(c, columns - LANES), rest = columns - at;
                FLOATS value = LOAD(rows[i] + lane * RESULTS + at) + term, near = SPLAT(0.0f);
                if (flags & (RESIDUAL_BEFORE | RESIDUAL_AFTER)) near = LOAD_FIRST(float, residual + to + at, rest, 0.0f);
                if (flags & RESIDUAL_BEFORE) value += near;
                value = ACTIVATE(value);
                if (flags & RESIDUAL_AFTER) value += near;
                STORE_FIRST(float, value, y + to + at, rest);
            }
        }
    }
}
