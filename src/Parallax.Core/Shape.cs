using System.Collections;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Parallax;

/// <summary>The dimensions of a tensor, outermost first, row-major. Dims may be symbolic. Rank 0 is a scalar.</summary>
[CollectionBuilder(typeof(Shape), nameof(Create))]
public readonly struct Shape : IEquatable<Shape>, IReadOnlyList<Dim>
{
    private readonly ImmutableArray<Dim> dims;

    public Shape(ImmutableArray<Dim> dims) => this.dims = dims;

    public static Shape Create(ReadOnlySpan<Dim> dims) => new([.. dims]);

    public static Shape Of(params ReadOnlySpan<long> dims)
    {
        var builder = ImmutableArray.CreateBuilder<Dim>(dims.Length);
        foreach (long dim in dims) builder.Add(dim);
        return new Shape(builder.MoveToImmutable());
    }

    public static Shape Scalar => new([]);

    public ImmutableArray<Dim> Dims => dims.IsDefault ? [] : dims;

    public int Rank => Dims.Length;

    /// <summary>The rank, under the name that lists and indices from the end want.</summary>
    public int Length => Rank;

    int IReadOnlyCollection<Dim>.Count => Rank;

    public Dim this[int axis] => Dims[axis];

    /// <summary>Whether every dim is a number.</summary>
    public bool IsKnown
    {
        get
        {
            foreach (Dim dim in Dims)
                if (!dim.IsKnown) return false;
            return true;
        }
    }

    /// <summary>Product of the dims; symbolic where a dim is.</summary>
    public Dim Elements
    {
        get
        {
            Dim product = 1;
            foreach (Dim dim in Dims) product *= dim;
            return product;
        }
    }

    /// <summary>The dims as numbers; throws where one is symbolic.</summary>
    public long[] ToArray()
    {
        var values = new long[Rank];
        for (int i = 0; i < values.Length; i++) values[i] = Dims[i].Value;
        return values;
    }

    public Shape With(int axis, Dim dim) => new(Dims.SetItem(axis, dim));

    public bool Equals(Shape other) => Dims.AsSpan().SequenceEqual(other.Dims.AsSpan());

    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (Dim dim in Dims) hash.Add(dim);
        return hash.ToHashCode();
    }

    public static bool operator ==(Shape a, Shape b) => a.Equals(b);

    public static bool operator !=(Shape a, Shape b) => !a.Equals(b);

    /// <summary><c>[1x3x640x640]</c>; a scalar is <c>[]</c>.</summary>
    public override string ToString() => $"[{string.Join('x', Dims)}]";

    /// <inheritdoc cref="ToString()"/>
    public static string ToString(ReadOnlySpan<long> dims) => $"[{string.Join('x', dims.ToArray())}]";

    /// <summary>Product of concrete dims, overflow checked.</summary>
    public static long Count(ReadOnlySpan<long> dims)
    {
        long product = 1;
        foreach (long dim in dims) product = checked(product * dim);
        return product;
    }

    /// <summary>Row-major strides in elements.</summary>
    public static long[] Strides(ReadOnlySpan<long> dims)
    {
        var strides = new long[dims.Length];
        long step = 1;
        for (int i = dims.Length - 1; i >= 0; i--)
        {
            strides[i] = step;
            step = checked(step * dims[i]);
        }
        return strides;
    }

    public IEnumerator<Dim> GetEnumerator() => ((IEnumerable<Dim>)Dims).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
