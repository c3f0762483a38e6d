/** What differs between the stages of the cloud; everything else is the same in all of them. */
export interface Stage {
  /** Web origins whose pages may upload to the bucket or call the API. */
  origins: string[];
  /** Whose JWTs the API takes, beside its own keys; see docs/access.md. */
  oidc?: { OIDC_ISSUER: string; OIDC_AUDIENCE: string; OIDC_JWKS_URL: string };
  /** Requests per second that the API takes in all, and how many at once on top: a bound on cost, not on a tenant. */
  requests: { perSecond: number; burst: number };
  gpu: {
    /** EC2 types of one GPU each, dearest last; spot capacity is taken from whichever has most to spare. */
    instanceTypes: string[];
    /** 0…100: share of the machines that is paid in full, so that it is not taken away at two minutes' notice. */
    onDemandPercent: number;
    /** Most workers of each kind, and thereby the highest bill. Each has a machine of its own. */
    maxWorkers: { trainings: number; images: number };
    /** Jobs, waiting and running, that one worker should have: more means fewer machines and longer waits. */
    jobsPerWorker: { trainings: number; images: number };
  };
}

const personal: Stage = {
  origins: ['http://localhost:5173'],
  requests: { perSecond: 20, burst: 40 },
  gpu: {
    instanceTypes: ['g4dn.xlarge', 'g6.xlarge', 'g5.xlarge'],
    onDemandPercent: 0,
    maxWorkers: { trainings: 1, images: 1 },
    jobsPerWorker: { trainings: 4, images: 20 },
  },
};

const production: Stage = {
  origins: [],
  requests: { perSecond: 200, burst: 400 },
  gpu: {
    instanceTypes: ['g6.xlarge', 'g5.xlarge'],
    onDemandPercent: 0,
    maxWorkers: { trainings: 8, images: 8 },
    jobsPerWorker: { trainings: 1, images: 10 },
  },
};

/** `production` is the one stage that lasts; any other name is somebody's own copy, as small as it can be. */
export function stageNamed(name: string): Stage {
  return name === 'production' ? production : personal;
}
