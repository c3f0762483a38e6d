/** Where Amazon says which image is its newest of ECS with NVIDIA's driver. Each region has its own, and not every region has one. */
export const machineImage = '/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id';

/** What differs between the stages of the cloud; everything else is the same in all of them. */
export interface Stage {
  /** Web origins, beside the studio's own, whose pages may upload to the bucket or call the API. */
  origins: string[];
  /** Own names, of a zone in this account's Route 53; without them the API and the studio have the ones that AWS gives. */
  domains?: { api: string; studio: string };
  /** Whose JWTs the API takes, beside its own keys; see docs/access.md. */
  oidc?: { OIDC_ISSUER: string; OIDC_AUDIENCE: string; OIDC_JWKS_URL: string };
  /** What pictures cost here, see docs/batches.md; without it batches are not estimated. */
  prices?: { currency: string; per_image?: number; per_gpu_second?: number; gpu_seconds_per_megapixel_step: number };
  /** What is refused, where it is not the default: of texts MODERATION, of pictures the thresholds; see docs/moderation.md. */
  moderation?: {
    texts?: { deny?: string[]; allow?: string[]; off?: string[]; thresholds?: Record<string, number> };
    trainingPictures?: number | 'off';
    startPictures?: number | 'off';
    outputPictures?: number | 'off';
  };
  /** Requests per second that the API takes in all, and how many at once on top: a bound on cost, not on a tenant. */
  requests: { perSecond: number; burst: number };
  /** Days that pictures are kept; their records, small as they are, stay. LoRAs, files and models are kept until deleted. */
  pictureDays: number;
  /** Days that is kept who asked for what. */
  auditDays: number;
  /** Keeps prompts out of what is kept of requests. */
  redactPrompts: boolean;
  /** US dollars a month, of the whole account, at which the budget calls. */
  budget: number;
  gpu: {
    /** EC2 types of one GPU and four vCPUs each, dearest last; spot capacity is taken from whichever has most to spare. */
    instanceTypes: string[];
    /** 0…100: share of the machines that is paid in full, so that it is not taken away at two minutes' notice. */
    onDemandPercent: number;
    /** Most workers of each kind, and thereby the highest bill. Each has a machine of its own. */
    maxWorkers: { trainings: number; images: number };
    /**
     * Jobs, waiting and running, that one worker should have: more means fewer machines and longer waits. Pictures: as many as are made
     * while another machine would start, see docs/simulation.md.
     */
    jobsPerWorker: { trainings: number; images: number };
  };
}

const personal: Stage = {
  origins: ['http://localhost:5173'],
  requests: { perSecond: 20, burst: 40 },
  pictureDays: 7,
  auditDays: 30,
  redactPrompts: false,
  budget: 50,
  gpu: {
    instanceTypes: ['g6.xlarge', 'g5.xlarge'],
    onDemandPercent: 0,
    maxWorkers: { trainings: 1, images: 1 },
    jobsPerWorker: { trainings: 4, images: 80 },
  },
};

const production: Stage = {
  origins: [],
  requests: { perSecond: 200, burst: 400 },
  pictureDays: 30,
  auditDays: 400,
  redactPrompts: false,
  budget: 500,
  gpu: {
    instanceTypes: ['g6.xlarge', 'g5.xlarge'],
    onDemandPercent: 0,
    maxWorkers: { trainings: 8, images: 8 },
    jobsPerWorker: { trainings: 1, images: 80 },
  },
};

/** `production` is the one stage that lasts; any other name is somebody's own copy, as small as it can be. */
export function stageNamed(name: string): Stage {
  return name === 'production' ? production : personal;
}

/** Prices as the functions read them from their environment. */
export function pricesOf(prices: Stage['prices']): { PRICES?: string } {
  return prices ? { PRICES: JSON.stringify(prices) } : {};
}

/** The policy of texts as the functions read it from their environment. */
export function textPolicyOf(moderation: Stage['moderation']): { MODERATION?: string } {
  return moderation?.texts ? { MODERATION: JSON.stringify(moderation.texts) } : {};
}

/** The thresholds of pictures as workers read them from their environment. */
export function pictureThresholdsOf({ trainingPictures, startPictures, outputPictures }: Stage['moderation'] = {}) {
  const thresholds = {
    TRAINING_PICTURE_THRESHOLD: trainingPictures,
    START_PICTURE_THRESHOLD: startPictures,
    OUTPUT_PICTURE_THRESHOLD: outputPictures,
  };
  return Object.fromEntries(
    Object.entries(thresholds).flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]])),
  );
}
