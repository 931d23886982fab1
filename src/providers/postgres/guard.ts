/**
 * Whoever inherits a role's privileges may run DROP OWNED BY that role, and Postgres then removes it from every row security
 * policy that names it, or drops the policy, whoever owns the table (seen on 18.4: a restrictive policy was gone for
 * good). `SET FALSE` does not prevent it; an event trigger, which only a superuser can make, does.
 */
export const GUARD_SQL = `CREATE FUNCTION public.writ_guard() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF session_user ^@ 'writ_m' THEN
    RAISE insufficient_privilege USING MESSAGE = 'not for issued logins';
  END IF;
END $$;
CREATE EVENT TRIGGER writ_guard ON ddl_command_start WHEN TAG IN ('DROP OWNED', 'ALTER DEFAULT PRIVILEGES')
  EXECUTE FUNCTION public.writ_guard();`;

/** SQL, whether this database has the guard. Nobody but a superuser makes or disables an event trigger. */
export const GUARDED = `EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'writ_guard' AND evtevent = 'ddl_command_start'
  AND evtenabled IN ('O', 'A') AND (evttags IS NULL OR 'DROP OWNED' = ANY (evttags)))`;
