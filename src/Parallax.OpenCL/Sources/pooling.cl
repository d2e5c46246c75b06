// Windows over [planes, depth, height, width]; spatial numbers are of those three axes in order.
#define POOL_ARGS                                                                                                                            \
    TENSOR(const float, src), TENSOR(float, dst), const int planes, const int4 ins, const int4 outs, const int4 taps, const int4 strides,    \
        const int4 dilations, const int4 pads, const int4 counted_from, const int4 counted_to

// Taps of a window of one axis whose positions lie in [low, high).
inline int taps_within(const int first, const int taps, const int dilation, const int low, const int high) {
    int count = 0;
    for (int k = 0; k < taps; k++) count += first + k * dilation >= low && first + k * dilation < high;
    return count;
}

// One item computes one result.
#define POOL(name, start, joined, finished)                                                                                                  \
    __kernel void name(POOL_ARGS) {                                                                                                          \
        BIND_CONST(float, src);                                                                                                              \
        BIND(float, dst);                                                                                                                    \
        int column = get_global_id(0), line = get_global_id(1), plane = get_global_id(2);                                                    \
        if (column >= outs.s2 || line >= outs.s0 * outs.s1 || plane >= planes) return;                                                       \
        int4 first = (int4)(line / outs.s1, line % outs.s1, column, 0) * strides - pads;                                                     \
        float y = start;                                                                                                                     \
        for (int k = 0; k < taps.s0; k++) {                                                                                                  \
            int d = first.s0 + k * dilations.s0;                                                                                             \
            if (d < 0 || d >= ins.s0) continue;                                                                                              \
            for (int l = 0; l < taps.s1; l++) {                                                                                              \
                int h = first.s1 + l * dilations.s1;                                                                                         \
                if (h < 0 || h >= ins.s1) continue;                                                                                          \
                int begin = ((plane * ins.s0 + d) * ins.s1 + h) * ins.s2;                                                                    \
                for (int m = 0; m < taps.s2; m++) {                                                                                          \
                    int w = first.s2 + m * dilations.s2;                                                                                     \
                    if (w < 0 || w >= ins.s2) continue;                                                                                      \
                    float x = src[begin + w];                                                                                                \
                    y = joined;                                                                                                              \
                }                                                                                                                            \
            }                                                                                                                                \
        }                                                                                                                                    \
        dst[(plane * outs.s0 * outs.s1 + line) * outs.s2 + column] = finished;                                                               \
    }

#define COUNTED(s) taps_within(first.s, taps.s, dilations.s, counted_from.s, counted_to.s)
#define DIVIDED_BY(count) ((count) == 0 ? 0.0f : y / (count))

POOL(pool_max, -INFINITY, ((y != y) | (y > x)) ? y : x, y)
POOL(pool_average, 0.0f, y + x, DIVIDED_BY(COUNTED(s0) * COUNTED(s1) * COUNTED(s2)))

#ifdef SEEN
// Every step-th element of a row, of which n are there.
inline FLOATS load_row(const float* from, const int step, const int n) {
    if (step == 1) return LOAD(from);
    float part[LANES];
    for (int lane = 0; lane < LANES; lane++) part[lane] = from[(lane < n ? lane : 0) * step];
    return LOAD(part);
}

// The sum y of each lane over the number of taps that count: those of the other axes, times those of the last one.
inline FLOATS averages(const FLOATS y, const int others, const int first, const int step, const int taps, const int dilation, const int low, const int high) {
    float counts[LANES];
    for (int lane = 0; lane < LANES; lane++) counts[lane] = others * taps_within(first + lane * step, taps, dilation, low, high);
    const FLOATS divisors = LOAD(counts);
    return divisors == 0.0f ? SPLAT(0.0f) : y / divisors;
}

// One item computes so many columns of a row: it joins what lies above one another, a vector of places at a time, then what lies side by side. The columns of an item
// see at most SEEN places.
#define POOL_ROWS(name, start, joined, finished)                                                                                             \
    __kernel void name##_rows(POOL_ARGS, const int columns) {                                                                                \
        BIND_CONST(float, src);                                                                                                              \
        BIND(float, dst);                                                                                                                    \
        const int column = get_global_id(0) * columns, line = get_global_id(1), plane = get_global_id(2);                                    \
        if (column >= outs.s2 || line >= outs.s0 * outs.s1 || plane >= planes) return;                                                       \
        const int4 corner = (int4)(line / outs.s1, line % outs.s1, column, 0) * strides - pads;                                              \
        const int results = min(columns, outs.s2 - column), seen = (results - 1) * strides.s2 + (taps.s2 - 1) * dilations.s2 + 1;            \
        const int inside = max(0, corner.s2), outside = min(ins.s2, corner.s2 + seen);                                                       \
        float row[SEEN + 2 * LANES];                                                                                                         \
        for (int i = 0; i < seen; i += LANES) STORE(SPLAT(start), row + i);                                                                  \
        src += (long)plane * ins.s0 * ins.s1 * ins.s2;                                                                                       \
        for (int at = inside; at < outside; at += LANES) {                                                                                   \
            const int from = max(inside, min(at, outside - LANES));                                                                          \
            FLOATS y = SPLAT(start);                                                                                                         \
            for (int k = 0; k < taps.s0; k++) {                                                                                              \
                const int d = corner.s0 + k * dilations.s0;                                                                                  \
                if (d < 0 || d >= ins.s0) continue;                                                                                          \
                for (int l = 0; l < taps.s1; l++) {                                                                                          \
                    const int h = corner.s1 + l * dilations.s1;                                                                              \
                    if (h < 0 || h >= ins.s1) continue;                                                                                      \
                    const FLOATS x = LOAD_FIRST(float, src + ((long)d * ins.s1 + h) * ins.s2 + from, outside - from, start);                 \
                    y = joined;                                                                                                              \
                }                                                                                                                            \
            }                                                                                                                                \
            STORE(y, row + (from - corner.s2));                                                                                              \
        }                                                                                                                                    \
        dst += ((long)plane * outs.s0 * outs.s1 + line) * outs.s2 + column;                                                                  \
        for (int i = 0; i < results; i += LANES) {                                                                                           \
            FLOATS y = SPLAT(start);                                                                                                         \
            for (int m = 0; m < taps.s2; m++) {                                                                                              \
                const FLOATS x = load_row(row + i * strides.s2 + m * dilations.s2, strides.s2, results - i);                                 \
                y = joined;                                                                                                                  \
            }                                                                                                                                \
            const int4 first = corner + (int4)(0, 0, i * strides.s2, 0);                                                                     \
            STORE_FIRST(float, finished, dst + i, results - i);                                                                              \
        }                                                                                                                                    \
    }

POOL_ROWS(pool_max, -INFINITY, ((y != y) | (y > x)) ? y : x, y)
POOL_ROWS(pool_average, 0.0f, y + x,
          averages(y, COUNTED(s0) * COUNTED(s1), first.s2, strides.s2, taps.s2, dilations.s2, counted_from.s2, counted_to.s2))
#endif
