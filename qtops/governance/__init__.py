"""Operations as declared work: what may be touched, prompts, runbooks, steps, obligations."""
