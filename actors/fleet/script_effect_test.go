package fleet

import (
	"fmt"
	"strings"

	"github.com/urban-robot/urban-robot/protocol"
)

// describeEffect is an effect as the scenarios write it: a line, or one for each event of the audit trail that says more than
// the effects do.
func describeEffect(effect Effect) []string {
	switch effect := effect.(type) {
	case Store:
		return describeRecords(effect.Records)
	case Say:
		return []string{fmt.Sprintf("%s is told hello: %s", effect.Client, describeHello(effect.Hello))}
	case Tell:
		return describeCommand(effect.Client, effect.Command)
	case Answer:
		if effect.Err == nil {
			return nil
		}
		return []string{fmt.Sprintf("%s is answered %s", effect.Client, effect.Err.Code)}
	case KeepCache:
		return nil
	case DeliverCache:
		return []string{fmt.Sprintf("the cache goes to %v", effect.To)}
	case Hangup:
		if effect.Abort {
			return []string{fmt.Sprintf("%s is cut off", effect.Client)}
		}
		return []string{fmt.Sprintf("%s is disconnected", effect.Client)}
	case Respond:
		return []string{fmt.Sprintf("answer: %s: %s", effect.Outcome, effect.Text)}
	case Alert:
		return []string{strings.TrimRight(fmt.Sprintf("alert (%s): %s %s %s", effect.Level, effect.What, effect.Release, effect.Reason), " ")}
	}
	return []string{describeDriven(effect)}
}

func describeDriven(effect Effect) string {
	switch effect := effect.(type) {
	case Prepare:
		return fmt.Sprintf("driver: prepare %s", effect.Release)
	case Launch:
		return fmt.Sprintf("driver: launch %s for seat %d", effect.Instance, effect.Seat)
	case StopProcess:
		return fmt.Sprintf("driver: stop %s", effect.Instance)
	case Collect:
		return fmt.Sprintf("driver: keep nothing but %v", effect.Keep)
	}
	return fmt.Sprintf("%T", effect)
}

func describeHello(h protocol.Hello) string {
	switch {
	case h.Error != nil:
		return string(h.Error.Code)
	case h.ProcessCommands:
		return fmt.Sprintf("process commands, epoch %d", h.Epoch)
	}
	return fmt.Sprintf("wait, epoch %d", h.Epoch)
}

func describeCommand(id ClientID, command protocol.Command) []string {
	what := ""
	switch c := command.(type) {
	case protocol.OK:
		what = fmt.Sprintf("ok, epoch %d", c.Epoch)
	case protocol.ProcessCommands:
		what = fmt.Sprintf("process_commands, epoch %d", c.Epoch)
		if len(c.Handled) > 0 {
			what += fmt.Sprintf(", handled %v", c.Handled)
		}
	case protocol.EnterComa:
		what = fmt.Sprintf("coma, %s, epoch %d", c.Reason, c.Epoch)
	case protocol.ShutDown:
		what = fmt.Sprintf("shutdown, %s, epoch %d", c.Reason, c.Epoch)
	case protocol.HealthCheck:
		if c.Phase == protocol.PhaseRunning || c.Phase == protocol.PhaseStandby {
			return nil
		}
		what = "health_check, " + string(c.Phase)
	default:
		what = command.CommandName()
	}
	return []string{fmt.Sprintf("%s is told %s", id, what)}
}

func describeRecords(records []Record) []string {
	var lines []string
	for _, r := range records {
		e, ok := r.(EventRecord)
		if !ok {
			continue
		}
		switch e.Event {
		case "client changed state", "process starting", "candidate nominated", "seat confirmed", "seat granted":
			continue // the effects say so, too
		}
		if e.Event == "health judged" && !e.Warn {
			continue
		}
		lines = append(lines, describeEvent(e))
	}
	return lines
}

func describeEvent(e EventRecord) string {
	line := "- " + e.Event
	for _, word := range []string{string(e.Client), string(e.Release), e.Reason} {
		if word != "" {
			line += " " + word
		}
	}
	if e.From != "" || e.To != "" {
		line += " (" + e.From + " to " + e.To + ")"
	}
	if e.Detail != "" {
		line += ": " + e.Detail
	}
	return line
}
