using ConvNet.Interpretation;

namespace ConvNet.Reports.Pages;

/// <summary>The maps of an operation for an image and for the shifted image.</summary>
/// <param name="Maps">The maps of the image.</param>
/// <param name="Shifted">The maps of the shifted image.</param>
/// <param name="Response">How far they differ from the shifted maps of the image
/// (<see cref="ShiftResponse.Difference"/>).</param>
public sealed record MapsView(FeatureMaps Maps, FeatureMaps Shifted, double? Response);

/// <summary>A unit of a network with its receptive field.</summary>
/// <param name="Node">The name of the node.</param>
/// <param name="Y">The row of the unit.</param>
/// <param name="X">The column of the unit.</param>
/// <param name="Field">The receptive field.</param>
public sealed record UnitView(string Node, int Y, int X, ReceptiveField Field);

/// <summary>A class with its probability.</summary>
/// <param name="Class">The class, from 0.</param>
/// <param name="Name">The name of the class.</param>
/// <param name="Probability">The probability.</param>
public sealed record ClassProbability(int Class, string Name, double Probability);
