namespace ConvNet;

/// <summary>Reads parameters and their gradients into arrays of their own.</summary>
internal static class ExecutableReading
{
    /// <summary>Returns the values of a parameter or buffer.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="parameter">The parameter.</param>
    public static float[] Read(this IExecutable executable, Parameter parameter)
    {
        var values = new float[parameter.Length];
        executable.Read(parameter, values);
        return values;
    }

    /// <summary>Returns the gradient of a parameter.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="parameter">The parameter.</param>
    public static float[] ReadGradient(this IExecutable executable, Parameter parameter)
    {
        var values = new float[parameter.Length];
        executable.ReadGradient(parameter, values);
        return values;
    }
}
