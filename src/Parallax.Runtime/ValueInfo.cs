namespace Parallax;

/// <summary>An input or output of a model as declared: its name, and for tensors the element type and shape.</summary>
/// <param name="Name">The name in the model.</param>
/// <param name="DType">Undefined where the value is no tensor or the type is not declared.</param>
/// <param name="Shape">Dims may be symbolic; null where not even the rank is declared.</param>
/// <param name="Kind"><c>tensor</c>, <c>sequence</c> or <c>optional</c>.</param>
public sealed record ValueInfo(string Name, DType DType, Shape? Shape, string Kind)
{
    public override string ToString() => Kind == "tensor" ? $"{Name}: {DType}{Shape?.ToString() ?? "[?]"}" : $"{Name}: {Kind}";
}
