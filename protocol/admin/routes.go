package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// answer wraps what an operation answers with.
type answer[T any] struct{ Body T }

// outcomeAnswer is 202 where something was begun, 200 where it was so already.
type outcomeAnswer struct {
	Status int
	Body   Outcome
}

// fleetInput is what an operation on one fleet takes.
type fleetInput struct {
	Fleet string `path:"fleet" maxLength:"128" doc:"The name of the fleet"`
}

type deployInput struct {
	Fleet string `path:"fleet" maxLength:"128" doc:"The name of the fleet"`
	Body  DeployRequest
}

type rollbackInput struct {
	Fleet string `path:"fleet" maxLength:"128" doc:"The name of the fleet"`
	Body  *RollbackRequest
}

type tryAgainInput struct {
	Fleet string `path:"fleet" maxLength:"128" doc:"The name of the fleet"`
	Body  *TryAgainRequest
}

type eventsInput struct {
	Fleet string `query:"fleet" maxLength:"128" doc:"The name of the fleet. Missing: all fleets"`
	After uint64 `query:"after" doc:"Only lines with an id above it"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"At most so many lines"`
}

// routes declares every operation.
func (s *server) routes(api huma.API) {
	huma.Register(api, look("list-fleets", "/api/v1/fleets", "Every fleet",
		"A fleet that cannot answer is there by name, with the reason."), s.list)
	huma.Register(api, look("get-fleet", "/api/v1/fleets/{fleet}", "One fleet: what it wants, runs and tries", "", http.StatusNotFound), s.status)
	huma.Register(api, look("list-clients", "/api/v1/fleets/{fleet}/clients", "The connected clients of a fleet", "", http.StatusNotFound), s.clients)
	huma.Register(api, look("list-versions", "/api/v1/fleets/{fleet}/versions", "The releases of a fleet, newest first", "", http.StatusNotFound), s.versions)
	huma.Register(api, look("list-events", "/api/v1/events", "The audit trail, oldest first",
		"Go on with next as after, and no line is missed.", http.StatusNotFound), s.events)
	huma.Register(api, act(api, "deploy", "Put a release into service",
		"Answered as soon as that is stored; follow attempt and last_attempt of the fleet."), s.deploy)
	huma.Register(api, act(api, "rollback", "Go back to an earlier release",
		"Answered as soon as that is stored; follow attempt and last_attempt of the fleet."), s.rollback)
	huma.Register(api, act(api, "try-again", "Lift a halt and the refusal of the release that failed last", ""), s.tryAgain)
}

// look is an operation that changes nothing.
func look(id, path, summary, description string, errs ...int) huma.Operation {
	errs = append(errs, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusUnprocessableEntity)
	return huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Description: description, Tags: []string{"look"},
		Errors: errs, Security: []map[string][]string{{tokenScheme: {}}},
	}
}

// act is an operation that changes something.
func act(api huma.API, name, summary, description string) huma.Operation {
	op := look(name, "/api/v1/fleets/{fleet}/"+name, summary, description, http.StatusBadRequest, http.StatusNotFound, http.StatusConflict,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	op.Method, op.Tags, op.MaxBodyBytes = http.MethodPost, []string{"act"}, maxBodyBytes
	op.DefaultStatus = http.StatusAccepted
	outcome := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Outcome](), true, "")
	op.Responses = map[string]*huma.Response{"200": {
		Description: "It was so already",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: outcome}},
	}}
	return op
}

func (s *server) list(ctx context.Context, _ *struct{}) (*answer[FleetList], error) {
	var all FleetList
	for _, name := range s.config.Fleets.Names() {
		fleet, err := s.config.Fleets.Status(ctx, name)
		switch {
		case errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
			fleet = Fleet{Name: name, Unavailable: "it cannot answer now"}
		case err != nil:
			return nil, s.problemOf(err, "list", name)
		}
		all.Fleets = append(all.Fleets, fleet.filled())
	}
	all.Fleets = filled(all.Fleets)
	return &answer[FleetList]{all}, nil
}

func (s *server) status(ctx context.Context, in *fleetInput) (*answer[Fleet], error) {
	fleet, err := s.fleet(ctx, in.Fleet, "status")
	if err != nil {
		return nil, err
	}
	return &answer[Fleet]{fleet}, nil
}

func (s *server) clients(ctx context.Context, in *fleetInput) (*answer[ClientList], error) {
	fleet, err := s.fleet(ctx, in.Fleet, "clients")
	if err != nil {
		return nil, err
	}
	return &answer[ClientList]{ClientList{fleet.Clients}}, nil
}

func (s *server) fleet(ctx context.Context, name, operation string) (Fleet, error) {
	if !s.known(name) {
		return Fleet{}, s.noFleet(name)
	}
	fleet, err := s.config.Fleets.Status(ctx, name)
	if err != nil {
		return Fleet{}, s.problemOf(err, operation, name)
	}
	return fleet.filled(), nil
}

func (s *server) versions(ctx context.Context, in *fleetInput) (*answer[VersionList], error) {
	if !s.known(in.Fleet) {
		return nil, s.noFleet(in.Fleet)
	}
	versions, err := s.config.Fleets.Versions(ctx, in.Fleet)
	if err != nil {
		return nil, s.problemOf(err, "versions", in.Fleet)
	}
	return &answer[VersionList]{VersionList{filled(versions)}}, nil
}

func (s *server) deploy(ctx context.Context, in *deployInput) (*outcomeAnswer, error) {
	return s.act(ctx, "deploy", in.Fleet, in.Body.By, func(who string) (Outcome, error) {
		return s.config.Fleets.Deploy(ctx, in.Fleet, in.Body.Release, who)
	})
}

func (s *server) rollback(ctx context.Context, in *rollbackInput) (*outcomeAnswer, error) {
	var asked RollbackRequest
	if in.Body != nil {
		asked = *in.Body
	}
	return s.act(ctx, "rollback", in.Fleet, asked.By, func(who string) (Outcome, error) {
		return s.config.Fleets.Rollback(ctx, in.Fleet, asked.Release, who)
	})
}

func (s *server) tryAgain(ctx context.Context, in *tryAgainInput) (*outcomeAnswer, error) {
	var asked TryAgainRequest
	if in.Body != nil {
		asked = *in.Body
	}
	return s.act(ctx, "try-again", in.Fleet, asked.By, func(who string) (Outcome, error) {
		return s.config.Fleets.TryAgain(ctx, in.Fleet, who)
	})
}

// act does something to a fleet and says what became of it.
func (s *server) act(ctx context.Context, operation, fleet, by string, do func(who string) (Outcome, error)) (*outcomeAnswer, error) {
	if !s.known(fleet) {
		return nil, s.noFleet(fleet)
	}
	outcome, err := do(who(ctx, by))
	if err != nil {
		return nil, s.problemOf(err, operation, fleet)
	}
	switch outcome.Result {
	case ResultAccepted:
		return &outcomeAnswer{http.StatusAccepted, outcome}, nil
	case ResultUnchanged:
		return &outcomeAnswer{http.StatusOK, outcome}, nil
	case ResultRefused:
		return nil, refused(outcome.Text)
	}
	return nil, s.problemOf(errors.New("an outcome without a result"), operation, fleet)
}

// who names the caller for the audit trail: what it says of itself, and the address that it cannot choose.
func who(ctx context.Context, by string) string {
	from, _ := ctx.Value(addressKey{}).(string)
	if by == "" {
		return from
	}
	return by + " (" + from + ")"
}

// events answers with a page. Live events, as text/event-stream from the same path, read the same trail.
func (s *server) events(ctx context.Context, in *eventsInput) (*answer[EventPage], error) {
	names := []string{in.Fleet}
	switch {
	case in.Fleet == "":
		names = s.config.Fleets.Names()
	case !s.known(in.Fleet):
		return nil, s.noFleet(in.Fleet)
	}
	var lines []Event
	for _, name := range names {
		found, err := s.config.Trail.Events(ctx, name, in.After, in.Limit)
		if err != nil {
			return nil, s.problemOf(err, "events", name)
		}
		for _, line := range found {
			line.Fleet = name
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, func(a, b Event) int { return cmp.Compare(a.ID, b.ID) })
	lines = lines[:min(len(lines), in.Limit)]
	page := EventPage{Events: filled(lines), Next: in.After}
	if len(lines) > 0 {
		page.Next = lines[len(lines)-1].ID
	}
	return &answer[EventPage]{page}, nil
}

func (s *server) known(fleet string) bool { return slices.Contains(s.config.Fleets.Names(), fleet) }

// filled returns a list that is written as [] and never as null.
func filled[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (f Fleet) filled() Fleet {
	f.Running, f.Processes = filled(f.Running), filled(f.Processes)
	f.Clients = filled(slices.Clone(f.Clients)) // what Fleets gave may be in use there
	for i := range f.Clients {
		f.Clients[i].Failing = filled(f.Clients[i].Failing)
	}
	return f
}
