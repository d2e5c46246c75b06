// Windows over [planes, depth, height, width]; spatial numbers are of those three axes in order. One item computes one result.
#define POOL_ARGS                                                                                                                            \
    TENSOR(const float, src), TENSOR(float, dst), const int planes, const int4 ins, const int4 outs, const int4 taps, const int4 strides,    \
        const int4 dilations, const int4 pads, const int4 counted_from, const int4 counted_to

// Taps of a window of one axis whose positions lie in [low, high).
inline int taps_within(const int first, const int taps, const int dilation, const int low, const int high) {
    int count = 0;
    for (int k = 0; k < taps; k++) count += first + k * dilation >= low && first + k * dilation < high;
    return count;
}

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

POOL(pool_max, -INFINITY, y != y || y > x ? y : x, y)
POOL(pool_average, 0.0f, y + x, DIVIDED_BY(COUNTED(s0) * COUNTED(s1) * COUNTED(s2)))
