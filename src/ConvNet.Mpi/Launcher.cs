using System.Globalization;

namespace ConvNet.Mpi;

/// <summary>What the program that has started this process says about it, before MPI is opened.</summary>
public static class Launcher
{
    // mpirun of Open MPI; then srun, which also sets the variables of SLURM in batch scripts that it does not run.
    private const string OpenMpiRanks = "OMPI_COMM_WORLD_SIZE", OpenMpiRank = "OMPI_COMM_WORLD_RANK",
        PmixRank = "PMIX_RANK", SlurmRanks = "SLURM_STEP_NUM_TASKS";

    /// <summary>Whether a launcher of ranks has started this process, alone or with others.</summary>
    internal static bool IsPresent => Environment.GetEnvironmentVariable(OpenMpiRanks) is not null
        || Environment.GetEnvironmentVariable(PmixRank) is not null;

    /// <summary>The number of processes that were started together; 1 if this one was started alone.</summary>
    public static int Ranks => RanksOf(Environment.GetEnvironmentVariable);

    /// <summary>The rank of this process, from 0.</summary>
    public static int Rank => RankOf(Environment.GetEnvironmentVariable);

    /// <summary>Gets the number of processes from the variables of the environment.</summary>
    internal static int RanksOf(Func<string, string?> variable) => Number(variable(OpenMpiRanks))
        ?? (variable(PmixRank) is null ? null : Number(variable(SlurmRanks))) ?? 1;

    /// <summary>Gets the rank from the variables of the environment.</summary>
    internal static int RankOf(Func<string, string?> variable)
        => Number(variable(OpenMpiRank)) ?? Number(variable(PmixRank)) ?? 0;

    private static int? Number(string? text)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
