namespace ConvNet;

/// <content>Passes whose arguments are valid, and what holds after them, failed ones included.</content>
public abstract partial class Executable
{
    private void ForwardChecked(BatchValues input, int n)
    {
        CheckWritten();
        (_phase, _hasInputGradient, _hasLosses, _changedBy) = (Phase.Idle, false, false, null);
        (_tookBack, _buffersWritten) = (false, false);
        (N, FirstSample) = (n, _sampleOffset);
        // Advance even if the pass throws: a layer that throws for this pass number would otherwise throw forever.
        PassNumber = _nextPass++;
        KeepBuffersCore();
        try
        {
            ForwardCore(input, n);
            ShareBuffers();
        }
        catch
        {
            TakeBuffersBack(true);
            throw;
        }
        _phase = Phase.Forwarded;
    }

    private double LossChecked(Targets targets)
    {
        for (int i = 0; i < Objectives.Count; i++)
            LossChecked(i, targets);
        Sharing?.ShareLosses(_losses);
        double total = Objectives[0].Weight * _losses[0];
        for (int i = 1; i < Objectives.Count; i++)
            total += Objectives[i].Weight * _losses[i];
        _hasLosses = true;
        return Evaluated(total);
    }

    private void LossChecked(int index, Targets targets)
    {
        (Node output, Loss loss, _) = Objectives[index];
        try
        {
            _losses[index] = LossCore(index, targets.For(output));
        }
        catch (Exception error) when (FailurePlace.Note(error, loss.GetType().Name))
        {
            throw;
        }
    }

    // Running statistics updated by a batch whose loss is not finite are useless.
    private double Evaluated(double loss)
    {
        bool finite = double.IsFinite(loss);
        TakeBuffersBack(!finite);
        _nextPass = finite ? PassNumber + 1 : PassNumber;
        _phase = Phase.Evaluated;
        return loss;
    }

    private void BackwardChecked(BatchValues outputGradient, bool accumulate)
    {
        bool adds = accumulate && _hasGradients;
        // A failed pass leaves neither activations nor gradients that can be used.
        (_phase, _hasGradients) = (Phase.Idle, false);
        try
        {
            BackwardAndReport(outputGradient, adds);
        }
        catch
        {
            _cannotAdd = adds ? "a Backward that failed has lost the gradients of the previous batches" : null;
            TakeBuffersBack(true);
            throw;
        }
        (_phase, _hasGradients, _hasInputGradient, _cannotAdd) =
            (Phase.Differentiated, true, Spec!.InputGradient, null);
    }

    private double TrainStepChecked(
        BatchValues input, int n, Targets targets, float learningRate, BatchBuffers output)
    {
        ForwardChecked(input, n);
        try
        {
            double loss = LossChecked(targets);
            if (!output.IsEmpty)
                ReadOutputs(output);
            _phase = Phase.Idle;
            if (!double.IsFinite(loss))
                return loss;
            (_hasGradients, _cannotAdd) = (false, null);
            if (_gradientReady is null && Sharing is null)
            {
                BackwardAndStepCore(learningRate);
            }
            else
            {
                BackwardAndReport(default, false);
                StepCore(learningRate);
            }
            (_phase, _hasGradients, _hasInputGradient) = (Phase.Differentiated, Spec!.KeepGradients,
                Spec.InputGradient);
            NoteStep();
            return loss;
        }
        catch
        {
            _phase = Phase.Idle;
            TakeBuffersBack(true);
            throw;
        }
    }

    private void StepChecked(float learningRate)
    {
        CheckTraining();
        CheckRate(learningRate);
        if (!_hasGradients)
            throw new InvalidOperationException("Step needs gradients. Call Backward first; TrainStep with "
                + "KeepGradients: false leaves none.");
        StepCore(learningRate);
        NoteStep();
    }

    private void NoteStep()
    {
        _steps++;
        _changedBy = nameof(Step);
        if (_hasGradients)
            _cannotAdd = "Step has updated the parameters since they were computed";
    }

    // Buffers that the caller has written since the forward pass are not restored.
    private void TakeBuffersBack(bool back)
    {
        if (_tookBack == back || _buffersWritten)
            return;
        ExchangeBuffersCore();
        _tookBack = back;
    }

    private void ReadOutputs(BatchBuffers output)
    {
        for (int i = 0; i < Graph.Outputs.Count; i++)
        {
            if (!output[i].IsEmpty)
                ReadOutputCore(i, output[i]);
        }
    }
}
