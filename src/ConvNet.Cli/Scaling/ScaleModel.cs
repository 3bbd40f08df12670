namespace ConvNet.Cli.Scaling;

/// <summary>What a number of nodes is predicted to give.</summary>
/// <param name="Nodes">The number of nodes.</param>
/// <param name="Step">The time of a step in seconds.</param>
/// <param name="AllReduce">The time in which gradients are added up, in seconds.</param>
/// <param name="HiddenShare">The share of it that is hidden behind the backward pass.</param>
/// <param name="Efficiency">The time of a step of one node divided by that of all, which do as much each.</param>
internal sealed record ScalePoint(int Nodes, double Step, double AllReduce, double HiddenShare, double Efficiency);

/// <summary>Predicts the time of a training step on several nodes, each with as many images.</summary>
/// <remarks>
/// n bytes are added up on N nodes by a ring, 2(N − 1)·(λ + n/(N·β)), or by a tree, 2⌈log₂ N⌉·(λ + n/β), whichever is
/// faster, with the latency λ of a message and the bandwidth β of a link. A bucket begins when it is final and the one
/// before it is done. A step ends with the last bucket or the backward pass, whichever is later, and the update; two
/// sums of a few numbers by a tree are added, for the loss and what it is divided by. The model has neither noise, nor
/// links that several nodes share, nor the time in which a processor adds.
/// </remarks>
/// <param name="Bandwidth">β, in bytes per second.</param>
/// <param name="Latency">λ, in seconds.</param>
internal sealed record ScaleModel(double Bandwidth, double Latency)
{
    private const int SmallSums = 2;
    private const double Wanted = 0.9, LeastBandwidth = 1e6, MostBandwidth = 1e13, BitsOfByte = 8;

    /// <summary>The bandwidth in gigabits per second.</summary>
    public double Gigabits => Bandwidth * BitsOfByte / 1e9;

    /// <summary>Returns the time in which bytes are added up on some nodes, in seconds.</summary>
    public double AllReduce(double bytes, int nodes)
    {
        double rounds = Math.Ceiling(Math.Log2(nodes)), ring = 2 * (nodes - 1) * (Latency + bytes / nodes / Bandwidth),
            tree = 2 * rounds * (Latency + bytes / Bandwidth);
        return Math.Min(ring, tree);
    }

    /// <summary>Predicts a step.</summary>
    /// <param name="timings">A step of one node.</param>
    /// <param name="nodes">The number of nodes.</param>
    public ScalePoint Predict(StepTimings timings, int nodes)
    {
        double done = 0, sum = 0, backward = timings.Buckets[^1].Ready;
        foreach (TimedBucket bucket in timings.Buckets)
        {
            double own = AllReduce(bucket.Bytes, nodes);
            done = Math.Max(done, bucket.Ready) + own;
            sum += own;
        }
        double left = Math.Max(0, done - backward),
            step = timings.Step + left + (nodes > 1 ? SmallSums * AllReduce(0, nodes) : 0);
        return new ScalePoint(nodes, step, sum, sum > 0 ? Math.Max(0, 1 - left / sum) : 1, timings.Step / step);
    }

    /// <summary>Returns the least bandwidth with which some nodes have an efficiency of 90%, in bytes per second; null
    /// if the latency alone prevents it.</summary>
    public double? BandwidthNeeded(StepTimings timings, int nodes)
    {
        bool Suffices(double bandwidth)
            => (this with { Bandwidth = bandwidth }).Predict(timings, nodes).Efficiency >= Wanted;

        if (!Suffices(MostBandwidth))
            return null;
        double below = LeastBandwidth, enough = MostBandwidth;
        while (enough / below > 1.001)
        {
            double middle = Math.Sqrt(below * enough);
            if (Suffices(middle))
                enough = middle;
            else
                below = middle;
        }
        return enough;
    }

    /// <summary>Fits the model to measurements on some ranks.</summary>
    /// <param name="ranks">The number of ranks.</param>
    /// <param name="small">The time of a sum of hardly any bytes, in seconds.</param>
    /// <param name="bytes">The size of a large sum.</param>
    /// <param name="large">Its time in seconds.</param>
    public static ScaleModel Fit(int ranks, double small, double bytes, double large)
    {
        double latency = small / (2 * Math.Ceiling(Math.Log2(ranks)));
        double moving = Math.Max(large - 2 * (ranks - 1) * latency, large / 2);
        return new ScaleModel(2.0 * (ranks - 1) * bytes / ranks / moving, latency);
    }
}
