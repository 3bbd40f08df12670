using TorchSharp;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>Torch's own optimisers as fused kernels, which move all parameters of a group in one call; and rules that
/// torch lacks, in C#.</summary>
/// <remarks>
/// TorchSharp's optimisers make three or more <see cref="Scalar"/> objects for each parameter at every step and leave
/// them to the garbage collector. They are a few bytes of native memory each, but lie between the activations, so that
/// glibc can join no free memory across them: the heap of a resnet20 grew from 0.4 to 1.4 GB in 200 steps. The kernels,
/// which <c>torch.optim</c> calls where <c>fused=True</c>, take their options as numbers. TorchSharp has no methods for
/// them; a script reaches them, and reads the gradients without an object for each.
/// </remarks>
internal abstract class GroupOptimizer : optim.Optimizer
{
    // A kernel wants an empty list of what it does not use, which TorchSharp cannot pass: a script cuts one short.
    // The parser wants a line after the last one.
    private static readonly Lazy<jit.CompilationUnit> s_script = new(() => jit.compile("""
        def sgd(parameters: List[Tensor], momentum_buffers: List[Tensor], lr: float, weight_decay: float,
                momentum: float, nesterov: bool) -> None:
            gradients = [parameter.grad for parameter in parameters]
            if momentum == 0.0:
                momentum_buffers = momentum_buffers[:0]
            torch._fused_sgd_(parameters, gradients, momentum_buffers, weight_decay=weight_decay, momentum=momentum,
                              lr=lr, dampening=0.0, nesterov=nesterov, maximize=False, is_first_step=False,
                              grad_scale=None, found_inf=None)

        def adam(parameters: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor], step: Tensor, lr: float,
                 weight_decay: float, beta1: float, beta2: float, eps: float) -> None:
            gradients = [parameter.grad for parameter in parameters]
            step.add_(1)
            torch._fused_adam_(parameters, gradients, exp_avgs, exp_avg_sqs, parameters[:0], [step for p in parameters],
                               lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay, eps=eps, amsgrad=False,
                               maximize=False, grad_scale=None, found_inf=None)

        def adamw(parameters: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor], step: Tensor, lr: float,
                  weight_decay: float, beta1: float, beta2: float, eps: float) -> None:
            gradients = [parameter.grad for parameter in parameters]
            step.add_(1)
            torch._fused_adamw_(parameters, gradients, exp_avgs, exp_avg_sqs, parameters[:0],
                                [step for p in parameters], lr=lr, beta1=beta1, beta2=beta2,
                                weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=False,
                                grad_scale=None, found_inf=None)

        """));

    private readonly Group[] _groups;

    private GroupOptimizer(IReadOnlyList<OptimizerGroup> groups) : base(0)
        => _groups = [.. groups.Select(group => new Group(group))];

    /// <inheritdoc/>
    public override IEnumerable<optim.ILearningRateController> ParamGroups => _groups;

    /// <summary>Sets the learning rate of every group.</summary>
    /// <param name="step">The number of the step, from 1.</param>
    /// <param name="learningRate">The learning rate of a group whose factor is 1.</param>
    public void SetLearningRate(long step, float learningRate)
    {
        foreach (Group group in _groups)
            group.LearningRate = (group.Context = group.Options.At(step, learningRate)).LearningRate;
    }

    /// <summary>Steps taken.</summary>
    public long Steps
    {
        set
        {
            using IDisposable noGrad = no_grad();
            foreach (Group group in _groups)
            {
                using Scalar steps = value;
                group.Step.fill_(steps);
            }
        }
    }

    /// <summary>The state of a parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="index">The place among the optimiser's names of state.</param>
    public Tensor StateOf(Tensor parameter, int index)
    {
        Group group = Array.Find(_groups, group => Array.IndexOf(group.Parameters, parameter) >= 0)!;
        return group.State[index][Array.IndexOf(group.Parameters, parameter)];
    }

    /// <summary>Stochastic gradient descent, with momentum or without.</summary>
    public static GroupOptimizer Sgd(IReadOnlyList<OptimizerGroup> groups, double momentum, bool nesterov)
        => new FusedSgd(groups, momentum, nesterov);

    /// <summary>Adam, which adds weight decay to the gradient.</summary>
    public static GroupOptimizer Adam(IReadOnlyList<OptimizerGroup> groups, double beta1, double beta2, double epsilon)
        => new FusedAdam("adam", groups, beta1, beta2, epsilon);

    /// <summary>AdamW, whose weight decay is apart from the gradient.</summary>
    public static GroupOptimizer AdamW(IReadOnlyList<OptimizerGroup> groups, double beta1, double beta2, double epsilon)
        => new FusedAdam("adamw", groups, beta1, beta2, epsilon);

    /// <summary>Any rule, in C# over the memory of the tensors.</summary>
    public static GroupOptimizer InCSharp(IReadOnlyList<OptimizerGroup> groups, Optimizer rule)
        => new Rule(groups, rule);

    /// <inheritdoc/>
    public override Tensor step(Func<Tensor>? closure = null)
    {
        using IDisposable noGrad = no_grad();
        foreach (Group group in _groups)
        {
            using Scalar rate = group.LearningRate;
            group.CompleteGradients();
            Move(group, rate);
        }
        return null!;       // without a closure there is no loss, as in TorchSharp's own
    }

    /// <summary>Moves the parameters of a group by their gradients.</summary>
    protected abstract void Move(Group group, Scalar rate);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Array.ForEach(_groups, group => group.Dispose());
        base.Dispose(disposing);
    }

    private sealed class FusedSgd : GroupOptimizer
    {
        private readonly Scalar _momentum;
        private readonly bool _nesterov;

        public FusedSgd(IReadOnlyList<OptimizerGroup> groups, double momentum, bool nesterov) : base(groups)
        {
            (_momentum, _nesterov) = (momentum, nesterov);
            Array.ForEach(_groups, group => group.MakeState(momentum == 0 ? 0 : 1));
        }

        protected override void Move(Group group, Scalar rate) => s_script.Value.invoke(
            "sgd", group.Parameters, group.State.Length == 0 ? group.Parameters : group.State[0], rate,
                group.WeightDecay, _momentum, _nesterov);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _momentum.Dispose();
            base.Dispose(disposing);
        }
    }

    private sealed class FusedAdam : GroupOptimizer
    {
        private readonly string _rule;
        private readonly Scalar _beta1, _beta2, _epsilon;

        public FusedAdam(string rule, IReadOnlyList<OptimizerGroup> groups, double beta1, double beta2, double epsilon)
            : base(groups)
        {
            (_rule, _beta1, _beta2, _epsilon) = (rule, beta1, beta2, epsilon);
            Array.ForEach(_groups, group => group.MakeState(2));
        }

        protected override void Move(Group group, Scalar rate) => s_script.Value.invoke(
            _rule, group.Parameters, group.State[0], group.State[1], group.Step, rate, group.WeightDecay, _beta1,
                _beta2, _epsilon);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                Array.ForEach([_beta1, _beta2, _epsilon], option => option.Dispose());
            base.Dispose(disposing);
        }
    }

    private sealed class Rule : GroupOptimizer
    {
        private readonly Optimizer _rule;

        public Rule(IReadOnlyList<OptimizerGroup> groups, Optimizer rule) : base(groups)
        {
            _rule = rule;
            Array.ForEach(_groups, group => group.MakeStateInOne(rule.StateNames.Count));
        }

        public override Tensor step(Func<Tensor>? closure = null)
        {
            float[][]? before = _rule.MayThrow
                ? [.. _groups.SelectMany(group => group.Memory).Select(tensor => tensor.Floats().ToArray())]
                : null;
            try
            {
                return base.step(closure);
            }
            catch when (before is not null)
            {
                int next = 0;
                foreach (Tensor tensor in _groups.SelectMany(group => group.Memory))
                    before[next++].CopyTo(tensor.Floats());
                throw;
            }
        }

        protected override void Move(Group group, Scalar rate)
        {
            for (int i = 0; i < group.Parameters.Length; i++)
            {
                Parameter parameter = group.Names[i];
                int names = _rule.StateNames.Count;
                using Tensor gradient = group.Parameters[i].grad!, dense = gradient.contiguous();
                Span<float> state = names == 0 ? [] : group.StateInOne[i].Floats();
                try
                {
                    _rule.Move<float>(group.Context, parameter, dense.Floats(), group.Parameters[i].Floats(),
                        new StateSpans<float>(state, names));
                }
                catch (Exception error) when (FailurePlace.Note(error, $"{parameter.Name} ({_rule.GetType().Name})"))
                {
                    throw;
                }
            }
        }
    }

    /// <summary>Parameters with the same options, and their state.</summary>
    protected sealed class Group(OptimizerGroup group) : optim.ILearningRateController, IDisposable
    {
        private Tensor[]? _withoutGradient;

        public Tensor[] Parameters { get; } = [.. group.Tensors];

        /// <summary>The parameters by their place in the graph.</summary>
        public IReadOnlyList<Parameter> Names => group.Parameters;

        public ParameterOptions Options => group.Options;

        /// <summary>For each name of the state a tensor for each parameter.</summary>
        public Tensor[][] State { get; private set; } = [];

        /// <summary>Steps taken.</summary>
        public Tensor Step { get; } = zeros([], ScalarType.Float32, CPU).DetachFromDisposeScope();

        public Scalar WeightDecay { get; } = (double)group.Options.WeightDecay;

        public double LearningRate { get; set; }

        /// <summary>What a rule in C# knows of the step.</summary>
        public UpdateContext Context { get; set; }

        public double InitialLearningRate { get; set; }

        public void MakeState(int names) => State = [.. Enumerable.Range(0, names)
            .Select(_ => Array.ConvertAll(Parameters, parameter => zeros_like(parameter).DetachFromDisposeScope()))];

        /// <summary>For each parameter a tensor of all its state, where a rule in C# wants it in one.</summary>
        public Tensor[] StateInOne { get; private set; } = [];

        /// <summary>Values and state, of a rule in C#.</summary>
        public IEnumerable<Tensor> Memory => Parameters.Concat(StateInOne);

        public void MakeStateInOne(int names)
        {
            StateInOne = Array.ConvertAll(Parameters, parameter
                => zeros([names, parameter.numel()], ScalarType.Float32, CPU).DetachFromDisposeScope());
            State = [.. Enumerable.Range(0, names).Select(name => StateInOne
                .Zip(Parameters, (all, parameter) => all.select(0, name).view(parameter.shape).DetachFromDisposeScope())
                .ToArray())];
        }

        /// <summary>Gives parameters that the loss does not depend on, which get no gradient from torch, one of
        /// zeros.</summary>
        public void CompleteGradients()
        {
            _withoutGradient ??= Array.FindAll(Parameters, parameter => parameter.grad is null);
            foreach (Tensor parameter in _withoutGradient)
            {
                // One that the caller has written stays.
                using Tensor? gradient = parameter.grad;
                if (gradient is null)
                    parameter.grad = zeros_like(parameter);
            }
        }

        public void Dispose()
        {
            foreach (Tensor state in State.SelectMany(tensors => tensors).Concat(StateInOne))
                state.Dispose();
            Step.Dispose();
            WeightDecay.Dispose();
        }
    }
}
