using System.Diagnostics;
using System.Text.Json;
using ConvNet.Mpi;

namespace ConvNet.Cli.Scaling;

/// <summary>A prediction beside a measurement, on ranks of this machine.</summary>
/// <param name="Ranks">The number of ranks.</param>
/// <param name="Alone">The time of a step that each rank makes for itself while the others do the same, in
/// seconds.</param>
/// <param name="Measured">The time of a step that they make together.</param>
/// <param name="Predicted">The time that the model predicts from the step alone.</param>
/// <param name="Model">The latency and the bandwidth between them, as measured.</param>
internal sealed record ScaleCheck(int Ranks, double Alone, double Measured, double Predicted, ScaleModel Model)
{
    private const int SmallSums = 50, LargeSums = 7, LargeFloats = 1 << 20, Steps = 15;

    /// <summary>The error of the prediction: its difference from the measured time, as a share of it.</summary>
    public double Error => (Predicted - Measured) / Measured;

    /// <summary>Measures on this rank, which others join.</summary>
    /// <param name="communicator">The ranks.</param>
    /// <param name="backend">The backend of this rank.</param>
    /// <param name="graph">The network.</param>
    /// <param name="batch">The number of images of each rank.</param>
    /// <param name="cancellation">Cancels the measurement between two steps.</param>
    public static ScaleCheck Measure(MpiCommunicator communicator, IBackend backend, Graph graph, int batch,
        CancellationToken cancellation)
    {
        int ranks = communicator.Ranks;
        void Meet() => communicator.Sum(new double[1]);
        double small = SumTime(communicator, 1, SmallSums), large = SumTime(communicator, LargeFloats, LargeSums);
        var model = ScaleModel.Fit(ranks, small, sizeof(float) * (double)LargeFloats, large);
        // Every rank makes as many steps, so that they meet.
        StepTimings alone = StepTimings.Measure(backend, graph, batch, Meet, Steps, cancellation);
        using var shared = new DataParallelBackend(backend, communicator);
        using IExecutable network = shared.Compile(graph, StepTimings.SpecFor(graph, batch * ranks));
        double[] steps = [.. StepTimings.Steps(network, batch * ranks, Meet, Steps, cancellation).Order()];
        return new ScaleCheck(ranks, alone.Step, steps[steps.Length / 2], model.Predict(alone, ranks).Step, model);
    }

    /// <summary>Starts ranks of this program on this machine, and returns what they measure.</summary>
    /// <param name="ranks">The number of ranks.</param>
    /// <param name="words">The command line of a rank, without the program.</param>
    /// <exception cref="IOException">The ranks cannot be started, or fail.</exception>
    public static ScaleCheck Run(int ranks, IReadOnlyList<string> words)
    {
        var start = new ProcessStartInfo("mpirun", ["--oversubscribe", "-n", $"{ranks}",
            .. OwnProgram.CommandFor(words)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Containers often run as root, which mpirun refuses otherwise.
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        try
        {
            using var mpirun = Process.Start(start)!;
            Task<string> error = mpirun.StandardError.ReadToEndAsync();
            string output = mpirun.StandardOutput.ReadToEnd();
            mpirun.WaitForExit();
            string? line = output.Split('\n').FirstOrDefault(each => each.Contains('{', StringComparison.Ordinal));
            return mpirun.ExitCode == 0 && line is not null
                ? JsonSerializer.Deserialize<ScaleCheck>(line[line.IndexOf('{', StringComparison.Ordinal)..])!
                : throw new IOException($"mpirun -n {ranks} failed: {Excerpt.Of(error.Result.Trim())}");
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            throw new IOException("--check needs mpirun. Install Open MPI with eng/setup mpi, or omit --check.",
                missing);
        }
    }

    private static double SumTime(MpiCommunicator communicator, int floats, int count)
    {
        float[] values = GC.AllocateArray<float>(floats, pinned: true);
        var times = new double[count];
        for (int i = 0; i < count; i++)
        {
            communicator.Sum(new double[1]);
            long start = Stopwatch.GetTimestamp();
            communicator.StartSum(values, inRankOrder: false).Wait();
            times[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        return times.Order().ElementAt(count / 2);
    }
}
