package actors

import (
	"context"
	"fmt"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/protocol/admin"
)

// Operations shows the fleets of a System to people, and does what they ask. It is the HTTP API's Fleets and Trail.
type Operations struct{ System *System }

var (
	_ admin.Fleets = Operations{}
	_ admin.Trail  = Operations{}
)

// Names implements admin.Fleets.
func (o Operations) Names() []string {
	names := make([]string, len(o.System.config.Fleets))
	for i, f := range o.System.config.Fleets {
		names[i] = f.Name
	}
	return names
}

// Status implements admin.Fleets.
func (o Operations) Status(ctx context.Context, name string) (admin.Fleet, error) {
	v, err := ask[fleet.View](ctx, o.System, name, viewed{})
	if err != nil {
		return admin.Fleet{}, err
	}
	return statusOf(name, v), nil
}

// Versions implements admin.Fleets.
func (o Operations) Versions(ctx context.Context, name string) ([]admin.Version, error) {
	v, err := ask[fleet.View](ctx, o.System, name, viewed{})
	if err != nil {
		return nil, err
	}
	versions := make([]admin.Version, len(v.Releases))
	for i, r := range v.Releases {
		versions[i] = admin.Version{
			Release: string(r.Release), Generation: r.Generation, State: admin.ReleaseState(r.State.String()), Stage: stageOf(r.Stage),
			Reason: r.Reason, Evidence: r.Evidence, At: r.At,
		}
	}
	return versions, nil
}

// Deploy implements admin.Fleets.
func (o Operations) Deploy(ctx context.Context, name, reference, who string) (admin.Outcome, error) {
	return o.request(ctx, name, asked{reference: reference, who: who, what: requestDeploy})
}

// Push deploys a commit that was pushed, if it is still what the fleet follows.
func (o Operations) Push(ctx context.Context, name, commit, who string) (admin.Outcome, error) {
	return o.request(ctx, name, asked{reference: commit, who: who, what: requestPush})
}

// Rollback implements admin.Fleets.
func (o Operations) Rollback(ctx context.Context, name, release, who string) (admin.Outcome, error) {
	return o.request(ctx, name, asked{reference: release, who: who, what: requestRollback})
}

// TryAgain implements admin.Fleets.
func (o Operations) TryAgain(ctx context.Context, name, who string) (admin.Outcome, error) {
	return o.request(ctx, name, asked{who: who, what: requestTryAgain})
}

// Events implements admin.Trail.
func (o Operations) Events(ctx context.Context, name string, after uint64, limit int) ([]admin.Event, error) {
	lines, err := o.System.config.Store.Events(ctx, name, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the audit trail of fleet %s: %w", name, err)
	}
	events := make([]admin.Event, len(lines))
	for i, l := range lines {
		events[i] = admin.Event{
			ID: l.ID, At: l.At, Fleet: name, Event: l.Event, Client: string(l.Client), Release: string(l.Release), Seat: l.Seat, Epoch: l.Epoch,
			From: l.From, To: l.To, Reason: l.Reason, Detail: l.Detail, Warn: l.Warn,
		}
	}
	return events, nil
}

func (o Operations) request(ctx context.Context, name string, msg asked) (admin.Outcome, error) {
	answer, err := ask[outcome](ctx, o.System, name, msg)
	if err != nil {
		return admin.Outcome{}, err
	}
	a := attemptOf(answer, msg.what)
	return admin.Outcome{
		Result: admin.Result(answer.result.String()), Text: answer.text, Release: string(a.Release), Generation: a.Generation,
	}, nil
}

// attemptOf is the attempt that a request has led to, or finds under way. The zero Attempt is none.
func attemptOf(o outcome, what request) fleet.Attempt {
	r := o.rollout
	accepted := o.result == fleet.Accepted
	switch {
	case o.result == fleet.Refused, what == requestTryAgain && !accepted:
		return fleet.Attempt{}
	case accepted && what != requestTryAgain && r.Last.Generation == r.Generation:
		return r.Last // it had to do nothing and is over
	}
	return r.Attempt
}

// statusOf is a fleet as the API shows it.
func statusOf(name string, v fleet.View) admin.Fleet {
	f := admin.Fleet{
		Name: name, LastGood: string(v.LastGood), Halted: v.Halted, Running: []admin.Seat{}, Clients: []admin.ClientStatus{}, Processes: []admin.Process{},
		Logins:   admin.Logins{Used: v.Logins, Daily: v.Policy.Login.Daily, Reserve: v.Policy.Login.Reserve},
		Standbys: admin.Standbys{Wanted: v.Policy.Standbys * v.Policy.Shards},
	}
	if v.Desired != "" {
		f.Desired = &admin.Target{Release: string(v.Desired), Generation: generationOf(v, v.Desired)}
	}
	if a := v.Rollout.Attempt; a.Release != "" {
		f.Attempt = &admin.Attempt{Release: string(a.Release), Generation: a.Generation, Stage: stageOf(a.Stage), Who: a.Who, At: a.At}
	}
	if a := v.Rollout.Last; a.Release != "" {
		f.LastAttempt = &admin.LastAttempt{
			Release: string(a.Release), Generation: a.Generation, Stage: stageOf(a.Stage), Reason: a.Reason, Detail: a.Detail, At: a.At,
		}
	}
	for _, s := range v.Seats {
		f.Running = append(f.Running, admin.Seat{
			Seat: s.Seat, Phase: admin.Phase(s.Phase.String()), Epoch: s.Epoch, Release: string(s.Release), Instance: s.Instance, Since: s.Since,
		})
	}
	for _, c := range v.Clients {
		if c.Standby() {
			f.Standbys.Ready++
		}
		f.Clients = append(f.Clients, clientOf(c))
	}
	for _, p := range v.Running {
		f.Processes = append(f.Processes, admin.Process{Instance: p.Instance, Release: string(p.Release), Seat: p.Seat, PID: p.PID})
	}
	return f
}

func clientOf(c fleet.ClientView) admin.ClientStatus {
	out := admin.ClientStatus{
		ID: string(c.ID), Instance: c.Instance, Release: string(c.Release), State: c.State.String(), Seat: c.Seat, Failing: []string{}, Detail: c.Verdict.Detail,
	}
	if c.Verdict.Result != 0 {
		out.Verdict = c.Verdict.Result.String()
	}
	out.Failing = append(out.Failing, c.Verdict.Failing...)
	return out
}

func generationOf(v fleet.View, r fleet.Release) uint64 {
	for _, known := range v.Releases {
		if known.Release == r {
			return known.Generation
		}
	}
	return 0
}

func stageOf(s fleet.Stage) admin.Stage {
	if s == 0 {
		return ""
	}
	return admin.Stage(s.String())
}
