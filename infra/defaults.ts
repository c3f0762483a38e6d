/** Settings of every function, made before the first one. */
export function setDefaults() {
  $transform(sst.aws.Function, (args) => {
    args.architecture ??= 'arm64';
    args.nodejs ??= { minify: true }; // A third of the bytes to load at a cold start.
    args.logging ??= { retention: '1 month' };
    // sst 4.17.1 asks `!dev` of an Output, which is never true, so that deployed roles trust the whole account as well.
    args.transform ??= {};
    args.transform.role ??= (role) => {
      role.assumeRolePolicy = aws.iam.assumeRolePolicyForPrincipal({ Service: 'lambda.amazonaws.com' });
      return undefined;
    };
  });
}
