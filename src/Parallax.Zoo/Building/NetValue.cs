using Parallax.Onnx;

namespace Parallax.Zoo;

/// <summary>A value of a network under construction. Each method and operator adds the node of that name.</summary>
internal sealed record NetValue(NetBuilder Net, string Name)
{
    public static NetValue operator +(NetValue a, NetValue b) => a.Net.Node("Add", [a, b]);

    public static NetValue operator -(NetValue a, NetValue b) => a.Net.Node("Sub", [a, b]);

    public static NetValue operator *(NetValue a, NetValue b) => a.Net.Node("Mul", [a, b]);

    public static NetValue operator /(NetValue a, NetValue b) => a.Net.Node("Div", [a, b]);

    public static NetValue operator +(NetValue a, float b) => a + a.Net.Scalar(b);

    public static NetValue operator *(NetValue a, float b) => a * a.Net.Scalar(b);

    public static NetValue operator /(NetValue a, float b) => a / a.Net.Scalar(b);

    public NetValue Apply(string type, params AttributeProto[] attributes) => Net.Node(type, [this], attributes);

    public NetValue Sigmoid() => Apply("Sigmoid");

    public NetValue Relu() => Apply("Relu");

    public NetValue Softmax(int axis) => Apply("Softmax", new AttributeProto("axis", axis));

    public NetValue Transpose(params long[] permutation) => Apply("Transpose", new AttributeProto("perm", permutation));

    public NetValue Cast(DType type) => Apply("Cast", new AttributeProto("to", (long)type));

    public NetValue MatMul(NetValue right) => Net.Node("MatMul", [this, right]);

    public NetValue Unsqueeze(params long[] axes) => Net.Node("Unsqueeze", [this, Net.Ints(axes)]);

    public NetValue Squeeze(params long[] axes) => Net.Node("Squeeze", [this, Net.Ints(axes)]);

    public NetValue Gather(NetValue indices, int axis = 0) => Net.Node("Gather", [this, indices], new AttributeProto("axis", axis));

    /// <summary>One size of the shape, as <c>x.size(axis)</c> is exported: Shape, then Gather of a rank-0 index.</summary>
    public NetValue Size(int axis) => Apply("Shape").Gather(Net.Scalar((long)axis));

    public NetValue Reshape(params Extent[] dims) => Net.Node("Reshape", [this, ShapeOf(dims)]);

    public NetValue Expand(params Extent[] dims) => Net.Node("Expand", [this, ShapeOf(dims)]);

    /// <summary>Elements <paramref name="start"/> up to <paramref name="end"/> of an axis; null is the axis' end.</summary>
    public NetValue Slice(int axis, Extent start, Extent? end = null, long step = 1) =>
        Net.Node("Slice", [this, ShapeOf(start), ShapeOf(end ?? long.MaxValue), Net.Ints(axis), Net.Ints(step)]);

    public NetValue[] Split(int axis, params long[] sizes) => Net.Nodes("Split", sizes.Length, [this, Net.Ints(sizes)], new AttributeProto("axis", axis));

    /// <summary>The elements rotated so that element <paramref name="shift"/> comes first, as <c>torch.roll</c> is exported.</summary>
    public NetValue Roll(int axis, long shift) => Net.Concat(axis, Slice(axis, shift), Slice(axis, 0, shift));

    /// <summary>A one-dimensional int64 tensor: one initializer where all sizes are numbers, else Unsqueeze and Concat, as exporters leave it.</summary>
    private NetValue ShapeOf(params ReadOnlySpan<Extent> dims)
    {
        bool isConstant = true;
        foreach (Extent dim in dims) isConstant &= dim.Computed is null;
        var parts = new NetValue[dims.Length];
        if (!isConstant)
        {
            for (int i = 0; i < parts.Length; i++) parts[i] = dims[i].Computed is { } computed ? computed.Unsqueeze(0) : Net.Ints(dims[i].Number);
            return parts.Length == 1 ? parts[0] : Net.Concat(0, parts);
        }
        var numbers = new long[dims.Length];
        for (int i = 0; i < numbers.Length; i++) numbers[i] = dims[i].Number;
        return Net.Ints(numbers);
    }
}

/// <summary>A size: a number, or a rank-0 int64 value of the network.</summary>
internal readonly record struct Extent(long Number, NetValue? Computed)
{
    public static implicit operator Extent(long number) => new(number, null);

    public static implicit operator Extent(NetValue computed) => new(0, computed);
}
