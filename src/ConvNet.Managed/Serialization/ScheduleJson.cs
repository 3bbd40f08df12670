using System.Text.Json;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>Reads and writes schedules of the learning rate.</summary>
internal static class ScheduleJson
{
    private const string Sequence = "sequential";

    private static readonly AttributeDeclaration s_milestones
        = AttributeDeclaration.Times<SequentialSchedule>("milestones", sequence => sequence.Milestones);

    private static readonly AttributeDeclaration s_unit
        = ScheduleAttributes.Unit<SequentialSchedule>(sequence => sequence.Unit);

    /// <summary>Writes a schedule.</summary>
    public static void Write(Utf8JsonWriter json, LearningRateSchedule schedule)
    {
        json.WriteStartObject();
        if (schedule is SequentialSchedule sequence)
        {
            json.WriteString("schedule", Sequence);
            s_milestones.Write(json, sequence);
            s_unit.Write(json, sequence);
            json.WriteStartArray("schedules");
            foreach (LearningRateSchedule each in sequence.Schedules)
                Write(json, each);
            json.WriteEndArray();
        }
        else
        {
            Declaration<LearningRateSchedule> declared = schedule.Declaration ?? throw KindJson.NoForm(schedule);
            json.WriteString("schedule", declared.Kind);
            declared.Write(json, schedule);
        }
        json.WriteEndObject();
    }

    /// <summary>Reads a schedule.</summary>
    public static LearningRateSchedule Read(JsonReader json, KindSet<LearningRateSchedule> kinds)
    {
        LearningRateSchedule read;
        if (json.Text("schedule") == Sequence)
        {
            var milestones = (Milestones)s_milestones.Read(json)!;
            var unit = (ScheduleUnit?)s_unit.Read(json);
            LearningRateSchedule[] schedules = [.. json.List("schedules").Select((element, i)
                => Read(new JsonReader(element, json.PlaceOf($"schedules[{i}]")), kinds))];
            read = json.Checked(() => new SequentialSchedule(schedules, milestones, unit ?? ScheduleUnit.Epochs));
        }
        else
        {
            read = kinds.Read(json);
        }
        json.RejectOthers();
        return read;
    }
}
