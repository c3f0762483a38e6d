/** Where the workers' machines stand: they reach out, and nothing reaches in. */
export function createNetwork() {
  // Three zones, since spot capacity runs out in one zone at a time. No NAT: it would cost more than an idle cloud does.
  const vpc = new sst.aws.Vpc('Network', { az: 3 });
  new aws.ec2.VpcEndpoint('BucketEndpoint', {
    vpcId: vpc.id,
    serviceName: $interpolate`com.amazonaws.${aws.getRegionOutput().region}.s3`,
    vpcEndpointType: 'Gateway', // Free, and gigabytes of weights do not cross the internet gateway.
    routeTableIds: vpc.nodes.publicRouteTables.apply((tables) => tables.map((table) => table.id)),
  });
  const securityGroup = new aws.ec2.SecurityGroup('WorkerSecurity', {
    vpcId: vpc.id,
    description: 'Workers: no way in, HTTPS out',
    egress: [{ protocol: 'tcp', fromPort: 443, toPort: 443, cidrBlocks: ['0.0.0.0/0'] }],
  });
  return { subnetIds: vpc.publicSubnets, securityGroup };
}
export type Network = ReturnType<typeof createNetwork>;
