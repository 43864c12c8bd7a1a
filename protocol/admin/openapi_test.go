package admin

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// document is what these tests look at in the OpenAPI document.
type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string                `json:"operationId"`
		Summary     string                `json:"summary"`
		Security    []map[string][]string `json:"security"`
		Responses   map[string]any        `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties           map[string]struct{ Enum []string } `json:"properties"`
			AdditionalProperties bool                               `json:"additionalProperties"`
		} `json:"schemas"`
	} `json:"components"`
}

func openAPI(t *testing.T) (document, string) {
	t.Helper()
	url, _ := serve(t, everyFleet())
	status, header, text := request(t, "GET", url+"/openapi.json", "", map[string]string{"Authorization": ""})
	require.Equal(t, 200, status)
	assert.Equal(t, "application/openapi+json", header.Get("Content-Type"))
	var d document
	require.NoError(t, json.Unmarshal([]byte(text), &d))
	return d, text
}

// CONTRACT section 9 lists the routes.
func TestOpenAPIListsEveryRoute(t *testing.T) {
	d, _ := openAPI(t)
	assert.Equal(t, "3.1.0", d.OpenAPI)
	got := map[string][]string{}
	for path, operations := range d.Paths {
		for method, op := range operations {
			got[path] = append(got[path], strings.ToUpper(method))
			assert.NotEmpty(t, op.Summary)
			assert.Equal(t, []map[string][]string{{tokenScheme: {}}}, op.Security)
			for _, status := range []string{"401", "422", "429", "500", "503"} {
				assert.Contains(t, op.Responses, status, path)
			}
			if method == "post" {
				for _, status := range []string{"200", "202", "400", "404", "409", "413", "415"} {
					assert.Contains(t, op.Responses, status, path)
				}
			}
		}
	}
	assert.Equal(t, map[string][]string{
		"/api/v1/fleets": {"GET"}, "/api/v1/fleets/{fleet}": {"GET"}, "/api/v1/fleets/{fleet}/clients": {"GET"},
		"/api/v1/fleets/{fleet}/versions": {"GET"}, "/api/v1/events": {"GET"}, "/api/v1/fleets/{fleet}/deploy": {"POST"},
		"/api/v1/fleets/{fleet}/rollback": {"POST"}, "/api/v1/fleets/{fleet}/try-again": {"POST"},
	}, got)
}

func TestOpenAPIIsStrictInWhatComesInAlone(t *testing.T) {
	d, text := openAPI(t)
	for name, schema := range d.Components.Schemas {
		assert.Equal(t, !strings.HasSuffix(name, "Request"), schema.AdditionalProperties, name)
	}
	assert.NotContains(t, text, `"null"`, "lists are never null")
	assert.NotContains(t, text, `"value":{`, "what was sent does not come back")
}

// A constant that the document does not know would be an answer that breaks it.
func TestOpenAPIKnowsEveryConstant(t *testing.T) {
	d, _ := openAPI(t)
	stages := []Stage{
		StagePending, StageDeploying, StageCandidate, StageBaking, StageGood, StageBad, StageInconclusive, StageSuperseded, StageAborted,
	}
	assert.ElementsMatch(t, texts(stages), d.Components.Schemas["Version"].Properties["stage"].Enum)
	both := slices.Concat(d.Components.Schemas["Attempt"].Properties["stage"].Enum, d.Components.Schemas["LastAttempt"].Properties["stage"].Enum)
	assert.ElementsMatch(t, texts(stages), both)
	for _, stage := range stages {
		assert.Equal(t, slices.Contains(d.Components.Schemas["LastAttempt"].Properties["stage"].Enum, string(stage)), stage.Ended(), stage)
	}
	assert.False(t, Stage("another").Ended())
	assert.ElementsMatch(t, texts([]Phase{PhaseVacant, PhaseGranted, PhaseHeld, PhaseLost}), d.Components.Schemas["Seat"].Properties["phase"].Enum)
	assert.ElementsMatch(t, texts([]ReleaseState{ReleaseUnproven, ReleaseGood, ReleaseBad}), d.Components.Schemas["Version"].Properties["state"].Enum)
	assert.ElementsMatch(t, texts([]Result{ResultAccepted, ResultUnchanged, ResultRefused}), d.Components.Schemas["Outcome"].Properties["result"].Enum)
}

func texts[T ~string](values []T) []string {
	var all []string
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}

// Every field of an answer has a name on the wire in one manner.
func TestNamesOnTheWire(t *testing.T) {
	d, _ := openAPI(t)
	assert.Contains(t, slices.Collect(maps.Keys(d.Components.Schemas)), reflect.TypeFor[Fleet]().Name())
	for name, schema := range d.Components.Schemas {
		for property := range schema.Properties {
			assert.Equal(t, strings.ToLower(property), property, name)
		}
	}
}
