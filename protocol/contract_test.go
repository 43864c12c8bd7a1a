package protocol

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contractTable returns the rows of the table in CONTRACT.md whose first heading is that, by their first cell.
func contractTable(t *testing.T, heading string) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile("CONTRACT.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(raw), "\n| "+heading+" |")
	require.True(t, found, "CONTRACT.md has no table that begins with %q", heading)
	table, _, _ = strings.Cut(table, "\n\n")
	rows := make(map[string][]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\|$").FindAllStringSubmatch(table, -1) {
		assert.NotContains(t, rows, row[1], "a row stands twice")
		rows[row[1]] = strings.Split(row[2], " | ")
	}
	return rows
}

func TestContractListsEveryErrorCode(t *testing.T) {
	assert.ElementsMatch(t, ErrorCodes(), keys[ErrorCode](contractTable(t, "code")))
}

func TestContractListsEveryReason(t *testing.T) {
	assert.ElementsMatch(t, Reasons(), keys[Reason](contractTable(t, "reason")))
}

func TestContractListsEveryCommand(t *testing.T) {
	assert.ElementsMatch(t, commandNames(), keys[string](contractTable(t, "command")))
}

func TestContractListsEveryEvent(t *testing.T) {
	assert.ElementsMatch(t, []string{
		EventIdentify, EventReady, EventHealthCheck, EventCacheSync, EventCacheChunk, EventComa, EventShutdown, EventHello, EventCommand,
	}, keys[string](contractTable(t, "event")))
}

func TestContractListsEveryLimit(t *testing.T) {
	got := make(map[string]int)
	for name, cells := range contractTable(t, "limit") {
		n, err := strconv.Atoi(cells[0])
		require.NoError(t, err, name)
		got[name] = n
	}
	assert.Equal(t, map[string]int{
		"MaxEventBytes": MaxEventBytes, "MaxStringBytes": MaxStringBytes, "MaxIDBytes": MaxIDBytes, "MaxCogs": MaxCogs,
		"MaxHandled": MaxHandled, "MaxCapabilities": MaxCapabilities, "MaxShards": MaxShards, "MaxChunks": MaxChunks,
		"ChunkThreshold": ChunkThreshold, "ChunkBytes": ChunkBytes, "ChunkWindow": ChunkWindow, "MaxInteger": MaxInteger,
	}, got)
	source, err := os.ReadFile("limits.go")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^(?:\t|const )((?:Max|Chunk)\w+)\s+=`).FindAllStringSubmatch(string(source), -1) {
		assert.Contains(t, got, m[1], "a limit of limits.go that CONTRACT.md does not name")
	}
}

func TestErrorCodesAndReasonsAreComplete(t *testing.T) {
	for file, want := range map[string]int{"error.go": len(ErrorCodes()), "reason.go": len(Reasons())} {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		declared := regexp.MustCompile(`(?m)^\t(?:Code|Reason)\w+\s+(?:ErrorCode|Reason) = "`).FindAllString(string(source), -1)
		assert.Len(t, declared, want, file)
	}
	assert.True(t, ReasonFenced.Valid())
	assert.False(t, Reason("full_moon").Valid())
}

func TestErrorSaysItsFieldOnce(t *testing.T) {
	assert.Equal(t, "malformed: version: want a string", Errorf(CodeMalformed, "version", "version: want a string").Error())
	assert.Equal(t, "malformed: version: no string", Errorf(CodeMalformed, "version", "no string").Error())
	assert.Equal(t, "not_allowed: want identify first", Errorf(CodeNotAllowed, "", "want identify first").Error())
}

func TestCacheSizeCountsTextAndAttachments(t *testing.T) {
	assert.Equal(t, 5, Cache{JSON: []byte("{}"), Attachments: [][]byte{{1}, {2, 3}}}.Size())
}

func keys[T ~string](rows map[string][]string) []T {
	var out []T
	for name := range rows {
		out = append(out, T(name))
	}
	return out
}
