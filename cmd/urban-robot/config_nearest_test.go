package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"lease", "lease", 0},
		{"lease", "", 5},
		{"", "lease", 5},
		{"lese", "lease", 1},
		{"leasee", "lease", 1},
		{"leaze", "lease", 1},
		{"laese", "lease", 1},
		{"kitten", "sitting", 3},
	} {
		assert.Equal(t, tt.want, distance(tt.a, tt.b), "%s, %s", tt.a, tt.b)
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"lease", "lease_margin", "key", "standbys"}
	for word, want := range map[string]string{
		"lese": "lease", "leasemargin": "lease_margin", "keys": "key", "standby": "standbys", "x": "", "": "", "completely else": "",
	} {
		assert.Equal(t, want, nearest(word, keys), word)
	}
}
