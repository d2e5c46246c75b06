// Elements of FROM as TO, both given as options, by the rule CONVERT, which is one of these.

#define by_value(x) ((TO)(x))
#define to_truth(x) ((TO)((x) != 0))
#define saturate_int(x) ((TO)((x) != (x) ? 0 : convert_int_sat_rtz(x)))
#define saturate_long(x) ((TO)((x) != (x) ? 0 : convert_long_sat_rtz(x)))

__kernel void cast(TENSOR(const FROM, src), TENSOR(TO, dst), const int count) {
    BIND_CONST(FROM, src);
    BIND(TO, dst);
    int i = get_global_id(0);
    if (i >= count) return;
    FROM x = src[i];
    dst[i] = CONVERT(x);
}
