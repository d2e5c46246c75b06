using FsCheck;
using FsCheck.Fluent;

namespace Parallax.Tests.Planning;

/// <summary>Runs a property on many drawn cases, always the same ones: a failure names the case, shrunk to few items.</summary>
internal static class Property
{
    private const ulong Seed = 20260921;

    /// <param name="body">Gets a source of randomness and a size from 1 to <paramref name="maxSize"/>; throws where the property does not hold.</param>
    internal static void Holds(int cases, int maxSize, Action<Random, int> body)
    {
        Console.WriteLine($"FsCheck seed {Seed}, {cases} cases");
        Gen<(int Seed, int Size)> gen = Gen.Choose(0, int.MaxValue - 1).SelectMany(seed => Gen.Choose(1, maxSize).Select(size => (seed, size)));
        Arbitrary<(int Seed, int Size)> arbitrary = Arb.From(gen, c => Enumerable.Range(1, c.Size - 1).Where(s => s <= 4 || s >= c.Size - 2 || s == c.Size / 2).Select(s => (c.Seed, s)));
        Config config = Config.QuickThrowOnFailure.WithMaxTest(cases).WithReplay(Seed, 1);
        Prop.ForAll(arbitrary, c =>
        {
            body(new Random(c.Seed), c.Size);
            return true;
        }).Check(config);
    }
}
