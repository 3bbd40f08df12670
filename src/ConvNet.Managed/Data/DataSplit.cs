namespace ConvNet.Data;

/// <summary>How test samples are selected from data that has none: at random, with the same class
/// proportions.</summary>
/// <param name="TestShare">The fraction of every class that is for testing, between 0 and 1.</param>
/// <param name="Seed">The seed that selects the test samples.</param>
public readonly record struct DataSplit(double TestShare, ulong Seed);
