using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Parallax.Kernels;

/// <summary>A function of each element of <paramref name="x"/>; both spans have one length, and may be the same bytes where the types are equally wide.</summary>
public delegate void UnaryRow<TX, TY>(ReadOnlySpan<TX> x, Span<TY> y);

/// <summary>A function of pairs of elements. A side with one element, where the result has more, is repeated.</summary>
public delegate void BinaryRow<TX, TY, TZ>(ReadOnlySpan<TX> x, ReadOnlySpan<TY> y, Span<TZ> z);

/// <summary>Applies a row function to every element.</summary>
public sealed unsafe class UnaryKernel<TX, TY>(string name, long count, UnaryRow<TX, TY> row) : Kernel where TX : unmanaged where TY : unmanaged
{
    private const int BlockElements = 16384;

    public override string Name => name;

    public override int BlockCount(int phase) => checked((int)((count + BlockElements - 1) / BlockElements));

    public override bool CanRehearse => true;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        long start = (long)block * BlockElements;
        int length = (int)Math.Min(BlockElements, count - start);
        row(new ReadOnlySpan<TX>(args.Input<TX>(0) + start, length), new Span<TY>(args.Output<TY>(0) + start, length));
    }

    public override bool CanRunInPlace(int input) => input == 0 && sizeof(TX) == sizeof(TY);
}

/// <summary>Applies a row function to every pair of elements of two broadcast operands.</summary>
public sealed unsafe class BinaryKernel<TX, TY, TZ>(string name, Broadcast loop, BinaryRow<TX, TY, TZ> row) : Kernel
    where TX : unmanaged where TY : unmanaged where TZ : unmanaged
{
    public override string Name => name;

    public override int BlockCount(int phase) => loop.BlockCount;

    public override bool CanRehearse => true;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        TX* x = args.Input<TX>(0);
        TY* y = args.Input<TY>(1);
        TZ* z = args.Output<TZ>(0);
        bool xAdvances = loop.Advances(0), yAdvances = loop.Advances(1);
        for (Broadcast.Runs run = loop.Block(block); run.Next();)
            row(new ReadOnlySpan<TX>(x + run.First, xAdvances ? run.Count : 1), new ReadOnlySpan<TY>(y + run.Second, yAdvances ? run.Count : 1),
                new Span<TZ>(z + run.Start, run.Count));
    }

    public override bool CanRunInPlace(int input) => input switch
    {
        0 => loop.IsWhole(0) && sizeof(TX) == sizeof(TZ),
        1 => loop.IsWhole(1) && sizeof(TY) == sizeof(TZ),
        _ => false,
    };
}

/// <summary>Chooses between two broadcast operands by a third, a bool. Elements are moved as they are.</summary>
public sealed unsafe class SelectKernel<T>(Broadcast loop) : Kernel where T : unmanaged
{
    public override string Name => $"where_{sizeof(T) * 8}";

    public override int BlockCount(int phase) => loop.BlockCount;

    public override bool CanRehearse => true;

    public override void RunBlock(int phase, int block, in KernelArgs args)
    {
        byte* condition = args.Input<byte>(0);
        T* a = args.Input<T>(1), b = args.Input<T>(2), result = args.Output<T>(0);
        int conditionStep = loop.Advances(0) ? 1 : 0, aStep = loop.Advances(1) ? 1 : 0, bStep = loop.Advances(2) ? 1 : 0;
        for (Broadcast.Runs run = loop.Block(block); run.Next();)
        {
            T* to = result + run.Start;
            if (conditionStep == 1) Choose(condition + run.First, a + run.Second, aStep, b + run.Third, bStep, to, run.Count);
            else if (condition[run.First] != 0) Copy(a + run.Second, aStep, to, run.Count);
            else Copy(b + run.Third, bStep, to, run.Count);
        }
    }

    public override bool CanRunInPlace(int input) => input is 1 or 2 && loop.IsWhole(input);

    private static void Choose(byte* condition, T* a, int aStep, T* b, int bStep, T* to, int count)
    {
        if (sizeof(T) == 4 && Vector256.IsHardwareAccelerated && count >= 8)
        {
            ChooseWords(condition, (int*)a, aStep == 1, (int*)b, bStep == 1, (int*)to, count);
            return;
        }
        if (aStep == 1 && bStep == 1)
            for (int i = 0; i < count; i++)
            {
                T yes = a[i], no = b[i]; // both are read, so that the choice needs no branch
                to[i] = condition[i] != 0 ? yes : no;
            }
        else if (aStep == 1)
        {
            T other = *b;
            for (int i = 0; i < count; i++)
            {
                T yes = a[i];
                to[i] = condition[i] != 0 ? yes : other;
            }
        }
        else if (bStep == 1)
        {
            T other = *a;
            for (int i = 0; i < count; i++)
            {
                T no = b[i];
                to[i] = condition[i] != 0 ? other : no;
            }
        }
        else
        {
            T yes = *a, no = *b;
            for (int i = 0; i < count; i++) to[i] = condition[i] != 0 ? yes : no;
        }
    }

    private static void ChooseWords(byte* condition, int* a, bool aAdvances, int* b, bool bAdvances, int* to, int count)
    {
        Vector256<int> oneA = Vector256.Create(*a), oneB = Vector256.Create(*b);
        int i = 0;
        for (; i <= count - 8; i += 8)
        {
            Vector256<int> truths = Vector256.WidenLower(Vector256.WidenLower(Vector128.CreateScalar(*(ulong*)(condition + i)).AsByte().ToVector256Unsafe())).AsInt32();
            Vector256<int> no = Vector256.Equals(truths, Vector256<int>.Zero);
            Vector256.ConditionalSelect(no, bAdvances ? Vector256.Load(b + i) : oneB, aAdvances ? Vector256.Load(a + i) : oneA).Store(to + i);
        }
        for (; i < count; i++) to[i] = condition[i] != 0 ? aAdvances ? a[i] : *a : bAdvances ? b[i] : *b;
    }

    private static void Copy(T* from, int step, T* to, int count)
    {
        if (step == 0) new Span<T>(to, count).Fill(*from);
        else if (to != from) new ReadOnlySpan<T>(from, count).CopyTo(new Span<T>(to, count));
    }
}
