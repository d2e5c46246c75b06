using System.CommandLine;
using Parallax.Compare;

// Runs the same model file in Parallax and in ONNX Runtime, in turns, on the same inputs with the same number of threads.
var models = new Argument<string[]>("MODEL") { Arity = ArgumentArity.OneOrMore, Description = "model files, or zoo:NAME" };
var dims = new Option<string[]>("--dim") { Description = "NAME=VALUE, a symbolic dimension; 1 where none is given", AllowMultipleArgumentsPerToken = true };
var threads = new Option<int>("--threads") { Description = "threads of either side; 0 takes the physical cores", DefaultValueFactory = _ => 0 };
var runs = new Option<int>("--runs") { Description = "timed runs of either side", DefaultValueFactory = _ => 20 };
var warmup = new Option<int>("--warmup") { Description = "runs before anything is timed", DefaultValueFactory = _ => 3 };
var turn = new Option<int>("--turn") { Description = "timed runs before the other side's turn", DefaultValueFactory = _ => 5 };
var seed = new Option<int>("--seed") { Description = "what inputs, and weights of the zoo, are drawn from", DefaultValueFactory = _ => 1 };
var inputs = new Option<string?>("--inputs") { Description = "folder of NAME.npy files to take inputs from instead of drawing them" };
var only = new Option<string?>("--only") { Description = "one side alone" };
only.AcceptOnlyFromAmong("parallax", "onnxruntime");
var isDynamic = new Option<bool>("--dynamic") { Description = "zoo networks with symbolic image sizes and batch" };
var bind = new Option<bool>("--bind") { Description = "tell both sides the symbolic dims when the model is loaded" };
var ortLib = new Option<string?>("--ort-lib") { Description = "ONNX Runtime's library; by default the one that PARALLAX_ORT_LIB names" };
var tolerance = new Option<double>("--rtol") { Description = "largest difference allowed, relative to an output's largest magnitude", DefaultValueFactory = _ => 1e-3 };

var root = new RootCommand("Compares Parallax with ONNX Runtime, side by side in one process.")
{
    models, dims, threads, runs, warmup, turn, seed, inputs, only, isDynamic, bind, ortLib, tolerance,
};
root.SetAction(parsed =>
{
    var options = new CompareOptions
    {
        Dims = CompareOptions.ParseDims(parsed.GetValue(dims) ?? []),
        Threads = parsed.GetValue(threads),
        Runs = parsed.GetValue(runs),
        Warmup = parsed.GetValue(warmup),
        Turn = parsed.GetValue(turn),
        Seed = parsed.GetValue(seed),
        Inputs = parsed.GetValue(inputs),
        Only = parsed.GetValue(only),
        Dynamic = parsed.GetValue(isDynamic),
        Bind = parsed.GetValue(bind),
        OrtLibrary = parsed.GetValue(ortLib),
        Tolerance = parsed.GetValue(tolerance),
    };
    bool isGood = true;
    foreach (string model in parsed.GetValue(models)!) isGood &= Side.BySide(model, options);
    return isGood ? 0 : 1;
});
ParseResult call = root.Parse(args);
try
{
    return call.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Parallax.ParallaxException error)
{
    Console.Error.WriteLine($"compare: {error.Message}");
    return 2;
}
