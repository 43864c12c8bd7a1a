package actors

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// fields are those of style.md that a line of the story may have, in the order in which the test writes them.
var fields = []string{"level", "client", "release", "seat", "epoch", "from", "to", "event", "reason"}

// told is the log in a few words for each line, debug and trace left out.
func (w *world) told() []string {
	w.t.Helper()
	var told []string
	for _, line := range w.log.with("") {
		var all map[string]any
		if err := json.Unmarshal([]byte(line), &all); err != nil {
			w.t.Errorf("a line of the log is no JSON: %s", line)
		}
		w.checkFields(line, all)
		if all["level"] == "debug" {
			continue
		}
		words := []string{all["message"].(string)}
		for _, name := range fields {
			if value, ok := all[name]; ok {
				words = append(words, name+"="+strings.Trim(mustJSON(w.t, value), `"`))
			}
		}
		told = append(told, strings.Join(words, " "))
	}
	return told
}

// checkFields fails if a line has a field that nobody knows, or does not say which fleet it is about.
func (w *world) checkFields(line string, all map[string]any) {
	w.t.Helper()
	known := append(slices.Clone(fields), "component", "fleet", "message", "detail", "attempt", "took", "err", "term", "field", "bytes", "address", "messages", "instance", "took", "pid", "stack")
	for name := range maps.Keys(all) {
		if !slices.Contains(known, name) {
			w.t.Errorf("a line of the log has a field %s: %s", name, line)
		}
	}
	stranger := all["reason"] == string(protocol.CodeUnauthorized) || all["level"] == "debug"
	if all["fleet"] != theFleet && !stranger {
		w.t.Errorf("a line of the log does not name its fleet: %s", line)
	}
}

func mustJSON(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("Marshal() = %v, want nil", err)
	}
	return string(text)
}

func TestLogOfAShortStory(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		old := w.holder()
		fresh := w.candidate()
		fresh.healthy()
		old.says(protocol.Coma{Epoch: 1})
		old.says(sized(10, "a"))
		fresh.says(protocol.Ready{})
		fresh.says(report(false))
		w.join("2.0.0", instance("again"))
		w.memory.FailWrites(2, errDisk)
		fresh.says(protocol.Shutdown{Epoch: 2})
		w.pass(5 * time.Second)
		w.connect().tells(protocol.Identify{Version: "1.0.0"})
		fresh.goes()
		w.stop()
		want := []string{
			"fleet loaded level=info",
			"client changed state level=info client=c1 release=1.0.0 seat=0 from=connected to=identified reason=identify",
			"seat granted level=info client=c1 release=1.0.0 seat=0 epoch=1",
			"client changed state level=info client=c1 release=1.0.0 seat=0 epoch=1 from=identified to=ready reason=ready",
			"client changed state level=info client=c1 release=1.0.0 seat=0 epoch=1 from=ready to=active reason=ok",
			"seat confirmed level=info client=c1 release=1.0.0 seat=0 epoch=1",
			"rollout advanced level=info release=1.0.0 seat=0 from=pending to=baking",
			"health judged level=info client=c1 release=1.0.0 seat=0 epoch=1 from=bake to=ok",
			"client changed state level=info client=c2 release=2.0.0 seat=0 epoch=1 from=connected to=identified reason=identify",
			"client changed state level=info client=c2 release=2.0.0 seat=0 epoch=1 from=identified to=ready reason=ready",
			"candidate nominated level=info client=c2 release=2.0.0 seat=0 epoch=1",
			"rollout ended level=info release=1.0.0 seat=0 from=baking to=superseded",
			"rollout advanced level=info release=2.0.0 seat=0 from=pending to=candidate",
			"health judged level=info client=c2 release=2.0.0 seat=0 epoch=1 from=candidate to=ok",
			"candidate passed level=info client=c2 release=2.0.0 seat=0 epoch=1",
			"swap begun level=info client=c2 release=2.0.0 seat=0 epoch=1 from=1.0.0 to=2.0.0 reason=handover",
			"client changed state level=info client=c1 release=1.0.0 seat=0 epoch=1 from=active to=coma reason=coma",
			"seat granted level=info client=c2 release=2.0.0 seat=0 epoch=2 reason=handover",
			"event rejected level=warn client=c1 event=cache_sync reason=not_allowed",
			"client changed state level=info client=c2 release=2.0.0 seat=0 epoch=2 from=ready to=active reason=ok",
			"seat confirmed level=info client=c2 release=2.0.0 seat=0 epoch=2 reason=handover",
			"rollout advanced level=info release=2.0.0 seat=0 from=candidate to=baking",
			"health judged level=warn client=c2 release=2.0.0 seat=0 epoch=2 from=bake to=fail reason=health_check_failure",
			"release refused level=warn client=c2 release=2.0.0 seat=0 reason=health_check_failure",
			"rollout ended level=warn release=2.0.0 seat=0 from=baking to=bad reason=health_check_failure",
			"swap begun level=info client=c1 release=1.0.0 seat=0 epoch=2 from=2.0.0 to=1.0.0 reason=health_check_failure",
			"client refused level=warn client=c3 release=2.0.0 seat=0 reason=quarantined_version",
			"decision not stored level=error",
			"seat granted level=info client=c1 release=1.0.0 seat=0 epoch=3 reason=health_check_failure",
			"client changed state level=info client=c2 release=2.0.0 seat=0 epoch=3 from=active to=shutting_down reason=shutdown",
			"store works again level=info",
			"client turned away level=warn client=c4 event=identify reason=unauthorized",
			"client changed state level=info client=c2 release=2.0.0 seat=0 epoch=3 from=shutting_down to=gone reason=disconnect",
		}
		got := w.told()
		if !slices.Equal(got, want) {
			t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
