using Parallax.Kernels.Text;
using Xunit;

namespace Parallax.Tests.Kernels;

/// <summary>Operations on strings.</summary>
public sealed class TextTests
{
    private static Tensor Strings(params string[] values) => Tensor.FromStrings(values, [values.Length]);

    [Theory]
    [InlineData("a.b.c", ".", 99, "a|b|c")]
    [InlineData("a.b.c", ".", 1, "a|b.c")]
    [InlineData(".a.", ".", 99, "|a|")]
    [InlineData("", ".", 99, "")]
    [InlineData("abab", "ab", 99, "||")]
    [InlineData("  a  b c ", "", 99, "a|b|c")]
    [InlineData("  a  b c ", null, 1, "a|b c ")]
    public void SplitsAsPythonDoes(string text, string? delimiter, int most, string expected)
    {
        (Tensor parts, Tensor counts) = StringOps.Split(Strings(text), delimiter, most);
        Assert.Equal(expected.Split('|'), parts.Strings.ToArray());
        Assert.Equal(expected.Split('|').Length, counts.Span<long>()[0]);
    }

    [Fact]
    public void ShortRowsArePadded()
    {
        (Tensor parts, Tensor counts) = StringOps.Split(Strings("a b c", "", "d"), null);
        Assert.Equal([3L, 3], parts.Dims.ToArray());
        Assert.Equal(["a", "b", "c", "", "", "", "d", "", ""], parts.Strings.ToArray());
        Assert.Equal([3L, 0, 1], counts.Span<long>().ToArray());
    }

    [Fact]
    public void ConcatenationBroadcasts()
    {
        Tensor a = Tensor.FromStrings(["a", "b"], [2, 1]), b = Tensor.FromStrings(["x", "y", "z"], [3]);
        Tensor joined = StringOps.Concat(a, b);
        Assert.Equal([2L, 3], joined.Dims.ToArray());
        Assert.Equal(["ax", "ay", "az", "bx", "by", "bz"], joined.Strings.ToArray());
        Assert.Throws<InvalidInputException>(() => StringOps.Concat(Strings("a", "b"), Strings("a", "b", "c")));
    }

    [Fact]
    public void StopWordsGoAndSomethingStays()
    {
        Assert.Equal(["b"], StringOps.Normalize(Strings("A", "b"), ["a"], isCaseSensitive: false, null).Strings.ToArray());
        Assert.Equal(["a", "B"], StringOps.Normalize(Strings("A", "b", "b"), ["B"], isCaseSensitive: true, s => s == "A" ? "a" : "B").Strings[..2].ToArray());
        Tensor none = StringOps.Normalize(Tensor.FromStrings(["A"], [1, 1]), ["A"], isCaseSensitive: true, null);
        Assert.Equal([""], none.Strings.ToArray());
        Assert.Equal([1L, 1], none.Dims.ToArray());
    }

    // Where RE2 and .NET differ in syntax or in what a class means.
    [Theory]
    [InlineData(@"\d+", "42", true)]
    [InlineData(@"\d+", "४२", false)] // digits are ASCII
    [InlineData(@"\w+", "é", false)]
    [InlineData(@"\W", "é", true)]
    [InlineData(@"[\w-]+", "a-b", true)]
    [InlineData(@"[^\d]", "é", true)]
    [InlineData(@"[\D]", "7", false)]
    [InlineData(@"a$", "a\n", false)]
    [InlineData(@".", "😀", true)] // one code point
    [InlineData(@"[^a]", "😀", true)]
    [InlineData(@"[[:alpha:]]+", "abc", true)]
    [InlineData(@"[[:alpha:]]+", "ab1", false)]
    [InlineData(@"(?P<word>a+)b", "aab", true)]
    [InlineData(@"\Qa.b\E", "a.b", true)]
    [InlineData(@"\Qa.b\E", "axb", false)]
    [InlineData(@"\x{41}", "A", true)]
    [InlineData(@"\pL", "é", true)]
    [InlineData(@"[a[b]", "[", true)]
    [InlineData(@"a|ab", "ab", true)] // the whole text, whichever branch comes first
    [InlineData(@"(?i)ABC", "abc", true)]
    public void PatternsMeanWhatTheyMeanInRe2(string pattern, string text, bool expected) =>
        Assert.Equal(expected, Re2.FullMatch(pattern).IsMatch(text));

    [Theory]
    [InlineData(@"(a)\1")]
    [InlineData(@"a(?=b)")]
    [InlineData(@"(")]
    [InlineData(@"[a")]
    public void WhatIsNotRegularIsRefused(string pattern) => Assert.Throws<InvalidModelException>(() => Re2.FullMatch(pattern));

    [Fact]
    public void NgramsAreCountedWithSkips()
    {
        // Pool: unigrams 2, 3; bigrams (5, 6), (6, 8).
        var counter = new NgramCounter<long>([2, 3, 5, 6, 6, 8], [0, 2], [0, 1, 2, 3], minLength: 1, maxLength: 2, maxSkip: 1);
        var counts = new float[4];
        counter.Count([2, 5, 6, 8, 2, 6, 1, 8], counts);
        Assert.Equal([2f, 0, 1, 2], counts); // (6, 8) once side by side, once with one between
    }

    [Fact]
    public void NgramsOfWordsOutsideTheWantedLengthsDoNotCount()
    {
        var counter = new NgramCounter<string>(["a", "a", "b"], [0, 1], [0, 1], minLength: 2, maxLength: 2, maxSkip: 0);
        var counts = new float[2];
        counter.Count(["a", "b", "a"], counts);
        Assert.Equal([0f, 1], counts);
    }
}
