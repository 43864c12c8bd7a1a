package protocol

// identifyFrame is Identify with its secrets revealed.
type identifyFrame struct {
	Identify
	Key    string `json:"key,omitempty"`
	Launch string `json:"launch,omitempty"`
}

// chunkFrame is CacheChunk with its data as Socket.IO carries it.
type chunkFrame struct {
	CacheChunk
	Data placeholder `json:"data"`
}

// placeholder stands for an attachment.
type placeholder struct {
	Placeholder bool `json:"_placeholder"`
	Num         int  `json:"num"`
}

// reportFrame is HealthReport as it is sent: cogs as a map, which says of each whether it works.
type reportFrame HealthReport

// MarshalJSON implements json.Marshaler.
func (r reportFrame) MarshalJSON() ([]byte, error) {
	type cog struct {
		OK       bool   `json:"ok"`
		Error    string `json:"error,omitempty"`
		External string `json:"external,omitempty"`
	}
	var cogs map[string]cog
	if r.Cogs != nil {
		cogs = make(map[string]cog, len(r.Cogs))
		for name, c := range r.Cogs {
			cogs[name] = cog(c)
		}
	}
	return encode(struct {
		CheckID    string             `json:"check_id,omitempty"`
		OK         *bool              `json:"ok,omitempty"`
		Percentage *float64           `json:"percentage,omitempty"`
		Cogs       map[string]cog     `json:"cogs,omitzero"`
		Checks     map[string][]Check `json:"checks,omitempty"`
	}{r.CheckID, r.OK, r.Percentage, cogs, r.Checks}), nil
}
